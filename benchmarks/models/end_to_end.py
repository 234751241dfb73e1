"""One picture from its JPEG to its vector: decode, resize, Triton. What a search by picture waits for first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.models.embedded_triton import Running
from benchmarks.models.subjects import Subject
from benchmarks.percentiles import percentile
from contracts.tensors import EMBEDDING, PRIORITY_QUERY
from encoding.manifests import ImageManifest, read_manifest
from encoding.pictures import decode_picture
from runtime.triton import TritonClient

WARM_UP = 10
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """Milliseconds of single pictures, one after the other. `prepare_ms` is decoding and resizing, in the median.

    Args:
        pictures: how many files took turns. megapixels: of the largest.
    """

    model: str
    runs: int
    pictures: int
    megapixels: float
    p50_ms: float
    p99_ms: float
    prepare_ms: float


async def measure_end_to_end(
    subjects: Sequence[Subject], triton: Running, samples: Path, runs: int
) -> list[EndToEnd]:
    """The models take turns on every picture, so that whatever else the machine does slows all of them alike."""
    files = await asyncio.to_thread(lambda: [path.read_bytes() for path in sorted(samples.glob("*.jpg"))])
    manifests = {each.model: read_manifest(each.repository, each.model, ImageManifest) for each in subjects}
    taken: dict[str, list[tuple[float, float]]] = {each.model: [] for each in subjects}
    client = TritonClient(triton.address)
    try:
        for run in range(WARM_UP + runs):
            for model, manifest in manifests.items():
                began = time.perf_counter()
                image = decode_picture(files[run % len(files)], target_edge=manifest.image_size)
                tensor = manifest.prepare(image)[None]
                prepared = time.perf_counter()
                await client.infer(
                    model, {"image": tensor}, [EMBEDDING], priority=PRIORITY_QUERY, timeout_s=_TIMEOUT_S
                )
                if run >= WARM_UP:
                    taken[model].append(((time.perf_counter() - began) * 1000, (prepared - began) * 1000))
    finally:
        await client.close()
    largest = max(image.width * image.height for image in map(decode_picture, files)) / 1e6
    return [
        EndToEnd(
            model,
            runs,
            len(files),
            round(largest, 2),
            percentile([total for total, _ in values], 50),
            percentile([total for total, _ in values], 99),
            percentile([prepare for _, prepare in values], 50),
        )
        for model, values in taken.items()
    ]
