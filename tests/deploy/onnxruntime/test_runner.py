"""The backend's runner without Triton, on an engine that computes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tests.deploy.onnxruntime.test_backend import BACKEND


@pytest.fixture(scope="module")
def runner() -> Iterator[Any]:
    """The backend's module; it imports its neighbours by their bare names, as in the server."""
    neighbours = ("batches", "grouping", "engines", "settings", "runner")
    before = {name: sys.modules.pop(name) for name in neighbours if name in sys.modules}
    sys.path.insert(0, str(BACKEND))
    try:
        import runner as module

        yield module
    finally:
        sys.path.remove(str(BACKEND))
        for name in neighbours:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@dataclass(frozen=True)
class Costs:
    """As the engines state theirs."""

    run: int
    gain: float


class Summing:
    """Gives the sum of each row's counted tokens; refuses a token below zero. Notes how it was run."""

    def __init__(self, lanes: int, costs: Costs) -> None:
        self.lanes, self.costs = lanes, costs
        self.inputs, self.outputs = ("input_ids", "attention_mask"), ("sum",)
        self.shapes: list[tuple[int, ...]] = []
        self.at_once = self.most_at_once = self.beside = 0
        self._lock = threading.Lock()

    def run(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        with self._lock:
            self.shapes.append(feeds["input_ids"].shape)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._sums(feeds)
        finally:
            with self._lock:
                self.at_once -= 1

    def run_beside(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        with self._lock:
            self.beside += 1
        return self.run(wanted, feeds)

    def _sums(self, feeds: Mapping[str, Any]) -> list[Any]:
        if (feeds["input_ids"] < 0).any():
            raise RuntimeError("a token outside the vocabulary")
        return [(feeds["input_ids"] * feeds["attention_mask"]).sum(axis=1, keepdims=True)]


def texts(lengths: Sequence[int], seed: int = 1) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [
        {"input_ids": rng.integers(1, 1000, (1, n)), "attention_mask": np.ones((1, n), np.int64)} for n in lengths
    ]


def opened(runner: Any, lanes: int) -> tuple[Summing, Any]:
    engine = Summing(lanes, Costs(24, 1.5))
    return engine, runner.Runner(engine, ["sum"])


@pytest.mark.parametrize("lanes", [1, 2])
def test_every_text_gets_its_own_outputs_whatever_runs_together(runner: Any, lanes: int) -> None:
    engine, running = opened(runner, lanes)
    for seed in range(30):
        parts = texts([(8, 16, 64, 256, 8, 24, 128, 16)[(seed + n) % 8] for n in range(8)], seed)
        answers = running.answer(parts)
        assert [int(answer[0][0, 0]) for answer in answers] == [int(part["input_ids"].sum()) for part in parts]
    running.close()
    assert max(rows for rows, _ in engine.shapes) > 1
    assert engine.most_at_once <= lanes
    assert (engine.beside > 0) == (lanes > 1)


def test_a_lone_text_is_run_with_all_threads(runner: Any) -> None:
    engine, running = opened(runner, 2)
    running.answer(texts([16]))
    running.close()
    assert engine.beside == 0


@pytest.mark.parametrize("lanes", [1, 2])
def test_one_text_that_fails_spoils_no_other(runner: Any, lanes: int) -> None:
    _, running = opened(runner, lanes)
    parts = texts([8, 8, 16, 256])
    parts[1]["input_ids"][0, 3] = -1
    answers = running.answer(parts)
    running.close()
    assert isinstance(answers[1], RuntimeError)
    for place in (0, 2, 3):
        assert int(answers[place][0][0, 0]) == int(parts[place]["input_ids"].sum())
