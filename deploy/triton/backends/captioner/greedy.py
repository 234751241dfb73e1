"""Greedy captions by the two graphs of an exported captioner: pictures in, tokens and words out.

Knows nothing of Triton: `trireme export captioner` compares this very file with transformers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class Captioner:
    """The graphs of one version folder on the CPU.

    Args:
        folder: holds encoder.onnx, decoder.onnx, tokenizer.json and captioner.json.
    """

    def __init__(self, folder: Path, *, threads: int) -> None:
        facts = json.loads((folder / "captioner.json").read_text())
        self.image_size = int(facts["image_size"])
        self.longest = int(facts["max_positions"]) - 1
        self._start, self._end = int(facts["start_token_id"]), int(facts["end_token_id"])
        self._layers, self._two, self._heads, self._head = (int(each) for each in facts["cache_shape"])
        self._encoder = _session(folder / "encoder.onnx", threads)
        self._decoder = _session(folder / "decoder.onnx", threads)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def states(self, images: Any) -> Any:
        """The picture encoder's states, FP32 [B, N, width], of pictures UINT8 [B, size, size, 3]."""
        return self._encoder.run(["states"], {"image": images})[0]

    def tokens(self, images: Any, max_tokens: Sequence[int]) -> list[list[int]]:
        """Each picture's likeliest words one after the other, without start and end.

        Pictures go through the decoder together; those that have ended leave it.

        Args:
            max_tokens: of each caption, at least 1; the model's positions may end it sooner.
        """
        cross = self._encoder.run(["cross"], {"image": images})[0]
        captions: list[list[int]] = [[] for _ in max_tokens]
        going = list(range(len(captions)))
        token = np.full(len(going), self._start, dtype=np.int64)
        past = np.zeros((len(going), self._layers, self._two, self._heads, 0, self._head), dtype=np.float32)
        while going:
            logits, past = self._decoder.run(["logits", "present"], {"token": token, "past": past, "cross": cross})
            token = logits.argmax(axis=1).astype(np.int64)
            stay = []
            for row, picture in enumerate(going):
                if token[row] == self._end:
                    continue
                captions[picture].append(int(token[row]))
                if len(captions[picture]) < min(max_tokens[picture], self.longest):
                    stay.append(row)
            if len(stay) < len(going):
                token, past, cross = token[stay], past[stay], cross[stay]
                going = [going[row] for row in stay]
        return captions

    def words(self, tokens: Sequence[int]) -> str:
        """A caption as text."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A thread that spins while it waits takes the core from the other models and processes of a small machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
