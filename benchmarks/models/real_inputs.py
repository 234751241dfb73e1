"""What the models are asked: pictures and texts of samples/, prepared as `encoding` prepares them for Triton.

The same tensors go to perf_analyzer, as the JSON that it reads, and to the engine in process.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.models.subjects import Subject
from encoding.manifests import ImageManifest, TextManifest, read_manifest
from encoding.text import TextTokens
from export.sample_inputs import sample_pictures, sample_texts

Feeds = Mapping[str, NDArray[Any]]

# Multiples of the largest batch, so that a pass over the set is whole batches.
MAX_PICTURES = 48
MAX_TEXTS = 128
BATCH = 8
ONE, TOGETHER, SORTED = "1", f"{BATCH}", f"{BATCH} sorted"
"""Row by row; in batches as they come, texts padded to the longest; in batches of rows of equal length only."""


@dataclass(frozen=True, slots=True)
class Padding:
    """What padding adds, as shares of all computed tokens.

    Args:
        share: with lengths rounded up to buckets, as they are sent.
        share_to_longest: if batches of eight in order of arrival were padded to their longest text.
    """

    mean_tokens: float
    longest: int
    share: float
    share_to_longest: float


@dataclass(frozen=True, slots=True)
class RealInputs:
    """A fixed set of requests, each a batch of one. `padding` is of texts only."""

    rows: tuple[Feeds, ...]
    padding: Padding | None = None

    def ways(self) -> dict[str, list[Feeds]]:
        """The whole set as an engine in process may be given it: `ONE`, `TOGETHER` and, of texts, `SORTED`."""
        found = {ONE: list(self.rows), TOGETHER: self.batches(BATCH)}
        return found if self.padding is None else found | {SORTED: self.sorted_batches(BATCH)}

    def batches(self, size: int) -> list[Feeds]:
        """In their order, up to `size` rows each; shorter rows are filled up with zeros to a batch's longest."""
        starts = range(0, len(self.rows), size)
        return [
            {name: _joined([row[name] for row in self.rows[start : start + size]]) for name in self.rows[0]}
            for start in starts
        ]

    def sorted_batches(self, size: int) -> list[Feeds]:
        """Rows of equal shape only, which asks for all of them beforehand: no server gets its requests so."""
        by_shape: dict[tuple[tuple[int, ...], ...], list[Feeds]] = {}
        for row in self.rows:
            by_shape.setdefault(tuple(value.shape for value in row.values()), []).append(row)
        return [
            {name: np.concatenate([row[name] for row in alike[start : start + size]]) for name in alike[0]}
            for alike in by_shape.values()
            for start in range(0, len(alike), size)
        ]


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    longest = max(part.shape[1] for part in parts)
    widths = [[(0, 0), (0, longest - part.shape[1]), *[(0, 0)] * (part.ndim - 2)] for part in parts]
    return np.concatenate([np.pad(part, width) for part, width in zip(parts, widths, strict=True)])


def read_inputs(subject: Subject, samples: Path) -> RealInputs:
    """The set for a model, the same every time.

    Raises:
        InvalidInput: there are no pictures, or no texts.
    """
    if subject.kind == "picture":
        manifest = read_manifest(subject.repository, subject.model, ImageManifest)
        pictures = sample_pictures(samples, MAX_PICTURES)
        whole = pictures[: len(pictures) // BATCH * BATCH] or pictures
        return RealInputs(tuple({"image": manifest.prepare(picture)[None]} for picture in whole))
    text = read_manifest(subject.repository, subject.model, TextManifest)
    tokens = TextTokens(
        subject.repository / subject.model / text.tokenizer,
        max_length=text.max_length,
        pad_token_id=text.pad_token_id,
    )
    fitting = [each for each in sample_texts(samples, 2 * MAX_TEXTS) if tokens.count(each) + 2 <= text.max_length]
    sequences = tokens.ids(fitting[:MAX_TEXTS])
    lengths = [len(ids) for ids in sequences]
    return RealInputs(
        tuple(tokens.pad([ids]) for ids in sequences), padding(lengths, [tokens.bucket(n) for n in lengths])
    )


def padding(lengths: Sequence[int], buckets: Sequence[int]) -> Padding:
    """Padding of texts of `lengths` tokens that are sent as `buckets` tokens."""
    to_longest = sum(
        max(lengths[start : start + BATCH]) * len(lengths[start : start + BATCH])
        for start in range(0, len(lengths), BATCH)
    )
    real = sum(lengths)
    return Padding(real / len(lengths), max(lengths), 1 - real / sum(buckets), 1 - real / to_longest)


def write_perf_analyzer_json(rows: Sequence[Feeds], path: Path) -> None:
    """perf_analyzer's `--input-data` file: each request's tensors with its own shape, batch dimension left out.

    Format: docs/input_data.md of triton-inference-server/perf_analyzer; base64 of little-endian row-major bytes.
    """
    data = [{name: _tensor(value[0]) for name, value in row.items()} for row in rows]
    path.write_text(json.dumps({"data": data}))


def _tensor(value: NDArray[Any]) -> dict[str, Any]:
    little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
    return {"content": {"b64": base64.b64encode(little.tobytes()).decode()}, "shape": list(value.shape)}
