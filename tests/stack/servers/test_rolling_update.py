"""A version changes under load, on a real embedded Triton: no request is lost, none is answered by a mixture."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from contracts.errors import TriremeError
from contracts.tensors import CLIP_IMAGE, EMBEDDING, PRIORITY_LEVELS
from runtime.triton import TritonClient
from stack.servers.triton_control import model_control
from tests.stack.servers.conftest import OwnTriton, negated

pytestmark = pytest.mark.integration

CALLERS = 12
PATIENCE_S = 60.0
PICTURE = np.random.default_rng(11).integers(0, 256, (1, 96, 96, 3), dtype=np.uint8)


class Traffic:
    """Callers that ask one after the other without a pause, at all priorities, and count who answered them."""

    def __init__(self, client: TritonClient, first: np.ndarray) -> None:  # type: ignore[type-arg]
        self._client = client
        self._first = first
        self._stop = False
        self.answers: Counter[str] = Counter()
        self.errors: list[TriremeError] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as callers:
            for number in range(CALLERS):
                callers.create_task(self._call(1 + number % PRIORITY_LEVELS))

    def stop(self) -> None:
        self._stop = True

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (self.answers, self.errors)
            await asyncio.sleep(0.01)

    async def until_answered_by(self, version: str, more: int) -> None:
        wanted = self.answers[version] + more
        await self.until(lambda: self.answers[version] >= wanted)

    async def _call(self, priority: int) -> None:
        while not self._stop:
            try:
                result = await self._client.infer(
                    CLIP_IMAGE, {"image": PICTURE}, [EMBEDDING], priority=priority, timeout_s=PATIENCE_S
                )
            except TriremeError as error:
                self.errors.append(error)
                continue
            # Version 2 gives the same vector with the opposite sign.
            cosine = float((result[EMBEDDING] * self._first).sum())
            self.answers["1" if cosine > 0.999 else "2" if cosine < -0.999 else "neither"] += 1


async def test_a_version_changes_under_load_without_losing_a_request(own_triton: OwnTriton) -> None:
    folder = own_triton.repository / CLIP_IMAGE
    staged = folder / "0.staged"
    negated(folder / "1" / "model.onnx", staged / "model.onnx")
    client = TritonClient(own_triton.address)
    first = await client.infer(CLIP_IMAGE, {"image": PICTURE}, [EMBEDDING], priority=1, timeout_s=PATIENCE_S)
    traffic = Traffic(client, first[EMBEDDING])
    running = asyncio.create_task(traffic.run())
    async with model_control(own_triton.address) as control:
        await traffic.until_answered_by("1", 5 * CALLERS)
        staged.rename(folder / "2")
        assert (await control.load(CLIP_IMAGE)).serving == 2
        await traffic.until_answered_by("2", 5 * CALLERS)
        seen = traffic.answers.copy()
        shutil.move(folder / "1", folder / "0.retired")
        # With its files gone, loading again changes nothing: version 2 is served already.
        assert (await control.load(CLIP_IMAGE)).serving == 2
        await traffic.until_answered_by("2", 5 * CALLERS)
        # And back, as after an update that was regretted.
        (folder / "0.retired").rename(folder / "1")
        shutil.rmtree(folder / "2")
        assert (await control.load(CLIP_IMAGE)).serving == 1
        await traffic.until_answered_by("1", 5 * CALLERS)
    traffic.stop()
    await running
    await client.close()
    assert traffic.errors == []
    assert set(traffic.answers) == {"1", "2"}
    # Once the load had returned, nothing was answered by version 1 until it was loaded again.
    assert traffic.answers["1"] >= seen["1"] + 5 * CALLERS


async def test_a_version_that_cannot_be_loaded_disturbs_nobody(own_triton: OwnTriton) -> None:
    folder = own_triton.repository / CLIP_IMAGE
    client = TritonClient(own_triton.address)
    first = await client.infer(CLIP_IMAGE, {"image": PICTURE}, [EMBEDDING], priority=1, timeout_s=PATIENCE_S)
    traffic = Traffic(client, first[EMBEDDING])
    running = asyncio.create_task(traffic.run())
    (folder / "0.broken").mkdir()
    (folder / "0.broken" / "model.onnx").write_bytes(b"no graph")
    (folder / "0.broken").rename(folder / "7")
    async with model_control(own_triton.address) as control:
        with pytest.raises(TriremeError, match=r"could not load 'clip_image'.*version 7"):
            await control.load(CLIP_IMAGE)
        await traffic.until_answered_by("1", 3 * CALLERS)
        assert (await control.find(CLIP_IMAGE)).serving == 1
        assert own_triton.spec.ready is not None
        assert await own_triton.spec.ready(), "the stack takes the failed load for a failing server"
        shutil.rmtree(folder / "7")
    traffic.stop()
    await running
    await client.close()
    assert traffic.errors == []
    assert set(traffic.answers) == {"1"}
