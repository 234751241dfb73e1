"""Inputs out of samples/, and the file that perf_analyzer reads."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.models.loads import Callers
from benchmarks.models.plan import DEFAULT, open_loop_requests, requests
from benchmarks.models.real_inputs import (
    BATCH,
    ONE,
    SORTED,
    TOGETHER,
    RealInputs,
    padding,
    write_perf_analyzer_json,
)
from encoding.text import BUCKETS


def texts(lengths: list[int], seed: int = 7) -> RealInputs:
    rng = np.random.default_rng(seed)
    rows = tuple(
        {
            "input_ids": rng.integers(1000, 20000, (1, length), dtype=np.int64),
            "attention_mask": np.ones((1, length), dtype=np.int64),
        }
        for length in lengths
    )
    return RealInputs(rows, padding(lengths, lengths))


def pictures(count: int) -> RealInputs:
    rng = np.random.default_rng(3)
    return RealInputs(tuple({"image": rng.integers(0, 256, (1, 4, 4, 3), dtype=np.uint8)} for _ in range(count)))


def decoded(tensor: dict[str, Any], dtype: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(base64.b64decode(tensor["content"]["b64"]), dtype=dtype).reshape(tensor["shape"])


def test_the_file_holds_every_tensor_with_its_own_shape(tmp_path: Path) -> None:
    inputs = texts([8, 24, 16])
    write_perf_analyzer_json(inputs.rows, tmp_path / "texts.json")
    written = json.loads((tmp_path / "texts.json").read_text())["data"]
    assert [each["input_ids"]["shape"] for each in written] == [[8], [24], [16]]
    for each, row in zip(written, inputs.rows, strict=True):
        for name, value in row.items():
            np.testing.assert_array_equal(decoded(each[name], "<i8"), value[0])


def test_a_pictures_bytes_are_its_pixels_in_order(tmp_path: Path) -> None:
    inputs = pictures(2)
    write_perf_analyzer_json(inputs.rows, tmp_path / "pictures.json")
    written = json.loads((tmp_path / "pictures.json").read_text())["data"]
    np.testing.assert_array_equal(decoded(written[1]["image"], "u1"), inputs.rows[1]["image"][0])


@given(lengths=st.lists(st.sampled_from(BUCKETS[:5]), min_size=1, max_size=40), size=st.integers(1, 8))
def test_batches_hold_every_row_once_and_join_equal_lengths_only(lengths: list[int], size: int) -> None:
    inputs = texts(lengths)
    batches = inputs.sorted_batches(size)
    assert all(len(each["input_ids"]) <= size for each in batches)
    found = sorted(tuple(row) for each in batches for row in each["input_ids"].tolist())
    assert found == sorted(tuple(row["input_ids"][0].tolist()) for row in inputs.rows)


@given(lengths=st.lists(st.sampled_from(BUCKETS[:5]), min_size=1, max_size=40), size=st.integers(1, 8))
def test_batches_in_order_are_padded_to_their_longest_with_tokens_that_do_not_count(
    lengths: list[int], size: int
) -> None:
    inputs = texts(lengths)
    rows = [
        row for each in inputs.batches(size) for row in zip(each["input_ids"], each["attention_mask"], strict=True)
    ]
    assert [int(mask.sum()) for _, mask in rows] == lengths
    for (ids, mask), given_row in zip(rows, inputs.rows, strict=True):
        np.testing.assert_array_equal(ids[mask == 1], given_row["input_ids"][0])
    for start, each in zip(range(0, len(lengths), size), inputs.batches(size), strict=True):
        assert each["input_ids"].shape == (len(lengths[start : start + size]), max(lengths[start : start + size]))


def test_pictures_are_not_tried_sorted() -> None:
    assert list(pictures(16).ways()) == [ONE, TOGETHER]
    assert list(texts([8, 16]).ways()) == [ONE, TOGETHER, SORTED]


def test_padding_is_a_share_of_the_tokens_that_are_computed() -> None:
    found = padding([6, 10, 16], [8, 16, 16])
    assert found.share == pytest.approx(1 - 32 / 40)
    assert found.share_to_longest == pytest.approx(1 - 32 / 48)
    assert (found.mean_tokens, found.longest) == (pytest.approx(32 / 3), 16)


def test_batches_in_order_of_arrival_are_padded_to_their_own_longest() -> None:
    found = padding([4] * BATCH + [8] * BATCH, [8] * 2 * BATCH)
    assert found.share_to_longest == 0
    assert found.share == pytest.approx(0.25)


def test_texts_are_sent_in_whole_passes() -> None:
    inputs = texts([8, 16, 24, 32, 8])
    for concurrency in DEFAULT.concurrencies:
        wanted = requests(inputs, Callers(concurrency), DEFAULT.turn_runs)
        assert wanted.window % 5 == 0
        assert wanted.window >= DEFAULT.turn_runs * min(BATCH, concurrency)


def test_a_window_of_batches_counts_requests_and_not_rows() -> None:
    wanted = requests(pictures(16), Callers(2, BATCH), 14)
    assert wanted.window == 14
    assert wanted.warm_up == 2


def test_an_open_loop_has_enough_requests_for_a_p99() -> None:
    assert 3 * open_loop_requests(pictures(16), 2.0, DEFAULT).window >= 100
    assert 3 * open_loop_requests(pictures(16), 500.0, DEFAULT).window == 500 * DEFAULT.poisson_s
