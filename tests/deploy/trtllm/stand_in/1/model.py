"""Answers as TensorRT-LLM's Triton model does, only that it writes words that can be foretold.

The answer repeats the words of the prompt, back to front and round and round, from a place that the seed gives;
its text grows from response to response. A request that holds `stop` breaks off the one with the same id.
"""

import threading

import numpy as np
import triton_python_backend_utils as pb_utils

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
# Asked for these words, it tells how many answers it is writing, the asker's not counted.
HOW_MANY = b"how many?"


class TritonPythonModel:
    def initialize(self, args):
        self._stopped = {}

    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            given = {each.name(): each.as_numpy() for each in request.inputs()}
            if "stop" in given and given["stop"].any():
                self._stopped[request.request_id()].set()
                told = pb_utils.TritonError("Request cancelled by client", pb_utils.TritonError.CANCELLED)
                sender.send(pb_utils.InferenceResponse(error=told), flags=FINAL)
            elif given["text_input"][0].endswith(HOW_MANY):
                self._send(sender, str(len(self._stopped)), "stop", FINAL)
            else:
                stopped = self._stopped[request.request_id()] = threading.Event()
                arguments = (request.request_id(), given, sender, stopped)
                threading.Thread(target=self._write, args=arguments, daemon=True).start()

    def _write(self, request_id, given, sender, stopped):
        words = given["text_input"][0].decode().split()[::-1]
        first = int(given["sampling_param_seed"][0]) if "sampling_param_seed" in given else 0
        longest = int(given["sampling_param_max_tokens"][0])
        streaming, tells = bool(given["streaming"][0]), bool(given["return_finish_reason"][0])
        assert streaming
        assert tells
        assert given["sampling_param_exclude_input_from_output"][0]
        assert ("sampling_param_temperature" in given) != ("sampling_param_top_k" in given)
        text = ""
        for number in range(longest):
            text += f"{words[(first + number) % len(words)]} "
            last = number + 1 == longest or stopped.is_set()
            reason = "cancelled" if stopped.is_set() else "length" if last else "None"
            if last:
                del self._stopped[request_id]
            self._send(sender, text, reason, FINAL if last else 0)
            if last:
                return
            # Cut within a character, as a token may be: what follows is the whole of it.
            self._send(sender, f"{text}\ufffd", "None", 0)
            stopped.wait(0.001)

    def _send(self, sender, text, reason, flags):
        tensors = [
            pb_utils.Tensor("text_output", np.array([text.encode()], dtype=np.object_)),
            pb_utils.Tensor("finish_reason", np.array([reason], dtype=np.object_)),
        ]
        sender.send(pb_utils.InferenceResponse(output_tensors=tensors), flags=flags)
