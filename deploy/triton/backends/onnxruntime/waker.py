"""Wakes the server's batcher after a batch, because it can miss that the model has become idle.

With priorities or queue timeouts the batcher hands over nothing before the model is idle, and is told
"finished" a few microseconds before the model counts as idle (triton-inference-server/core: `Payload::Execute`
calls back before `RateLimiter::DequeuePayload` counts the consumer). When the batcher looks in between, it
looks again only at the next request, or after its 500 ms: seen here in one of ten batches. The next request is
what this sends: an empty one to the model itself that has expired on arrival, so that the batcher rejects it
without running it. The server counts each in `nv_inference_request_failure{reason="REJECTED"}`.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

# Waits between "finished" and each request. The first is longer than the usual gap to "idle", the others are for a
# machine so busy that it was not; a batch that follows meanwhile makes the rest needless.
QUIET_S = (0.001, 0.005, 0.025)
TIMEOUT_US = 1
MOST_WAITING = 24
"""Requests of ours in the queue at once: a part of its 64 places, which are the callers'."""


def needs_waker(config: dict[str, Any]) -> bool:
    """Whether the model's batcher can miss an idle model, and would reject an expired request unrun."""
    batching = config.get("dynamic_batching") or {}
    levels = batching.get("priority_queue_policy") or {}
    # The requests that a backend sends have the default priority.
    policy = levels.get(str(batching.get("default_priority_level"))) or batching.get("default_queue_policy") or {}
    rejects = policy.get("timeout_action", "REJECT") == "REJECT" and policy.get("allow_timeout_override", False)
    return int(batching.get("priority_levels", 0)) > 0 and rejects


class BatcherWaker:
    """A thread that sends expired requests while the model is idle after a batch, `QUIET_S` apart."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._model = config["name"]
        self._outputs = [each["name"] for each in config["output"]]
        self._inputs = [
            (
                each["name"],
                [1] + [max(int(size), 1) for size in each["dims"]],
                pb_utils.triton_string_to_numpy(each["data_type"]),
            )
            for each in config["input"]
        ]
        self._changed = threading.Condition()
        self._due = False
        self._running = False
        self._closed = False
        # One that finds others waiting stands behind them until it is its turn to be rejected, and must not hold
        # up the next: with sixteen callers of mixed lengths, three senders stood there and the batcher slept.
        self._senders = ThreadPoolExecutor(max_workers=MOST_WAITING, thread_name_prefix="batcher-waker")
        self._thread = threading.Thread(target=self._run, name="batcher-waker", daemon=True)
        self._thread.start()

    def batch_started(self) -> None:
        with self._changed:
            self._running = True
            self._changed.notify()

    def batch_finished(self) -> None:
        with self._changed:
            self._running = False
            self._due = True
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=1)
        self._senders.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or (self._due and not self._running))
                self._due = False
            for quiet_s in QUIET_S:
                with self._changed:
                    if self._changed.wait_for(lambda: self._closed or self._running, timeout=quiet_s):
                        break
                self._senders.submit(self._send_expired_request)
            if self._closed:
                return

    def _send_expired_request(self) -> None:
        tensors = [pb_utils.Tensor(name, np.zeros(shape, dtype)) for name, shape, dtype in self._inputs]
        pb_utils.InferenceRequest(
            model_name=self._model,
            requested_output_names=self._outputs,
            inputs=tensors,
            timeout=TIMEOUT_US,
        ).exec()
