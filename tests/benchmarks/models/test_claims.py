"""The arithmetic between figures and claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.models.claims import Claim, judge
from benchmarks.models.cpu_use import CpuUse
from benchmarks.models.end_to_end import EndToEnd
from benchmarks.models.figures import Agreement, ModelFigures, Round
from benchmarks.models.in_process import Alone
from benchmarks.models.loads import Callers, Poisson
from benchmarks.models.perf_report import Served
from benchmarks.models.real_inputs import ONE, SORTED, TOGETHER, padding
from benchmarks.models.subjects import LeftOut, Subject
from benchmarks.models.tables import as_markdown, sheets


def served(per_s: float, p50_ms: float = 10.0) -> Served:
    return Served(per_s, p50_ms, p50_ms, 2 * p50_ms, 0.1, 0.3, 4.0, 0.1, 5.0, 0.2, 2.0, 300, "stable")


def turn(single_per_s: float, batched_per_s: float, served_per_s: float, alone_ms: float = 8.0) -> Round:
    alone = {
        ONE: Alone(ONE, single_per_s, alone_ms, 1.9),
        TOGETHER: Alone(TOGETHER, batched_per_s, 60.0, 1.8),
        SORTED: Alone(SORTED, 2 * single_per_s, 60.0, 1.8),
    }
    return Round(alone, served(served_per_s / 2, alone_ms + 2.5), served(served_per_s))


def figures(model: str, *rounds: Round, precision: str = "fp32", cosine: float = 1.0) -> ModelFigures:
    kind = "picture" if "image" in model else "text"
    return ModelFigures(
        subject=Subject(model, Path(), model, kind, precision, "onnxruntime", 2, 8, "0" * 64),  # type: ignore[arg-type]
        engine="onnxruntime 1.0, sleeping",
        inputs=16,
        padding=padding([6, 10], [8, 16]) if kind == "text" else None,
        sweep=((Callers(4), served(100.0)),),
        best_load=Callers(4),
        rounds=rounds,
        cpu=CpuUse(0.1, 0.2, 1.6),
        poisson=(Poisson(60.0), served(59.0)),
        shared_memory=None,
        agreement=Agreement(model, (1.0, cosine, 1.0)),
    )


def claim(text: str, found: list[Claim]) -> Claim:
    return next(each for each in found if text in each.text)


def test_a_ratio_is_the_median_over_rounds_and_not_of_medians() -> None:
    slow, fast = turn(20, 10, 19), turn(40, 10, 38)
    disturbed = turn(40, 10, 20)
    model = figures("vit_b_32_fp32_image", slow, fast, disturbed)
    assert model.ratio == pytest.approx(0.95)
    assert model.served_per_s / model.in_process_per_s == pytest.approx(0.5)


def test_in_process_counts_with_its_better_batch_size() -> None:
    model = figures("m", turn(20, 25, 24), turn(30, 28, 24), turn(20, 26, 24))
    assert model.best_way == TOGETHER
    assert model.in_process_per_s == 26


def test_served_over_in_process_is_met_at_its_limit() -> None:
    found = judge([figures("vit_b_32_fp32_image", turn(100, 90, 95))], [])
    assert claim("ViT-B/32 fp32: served", found).met is True
    found = judge([figures("vit_b_32_fp32_image", turn(100, 90, 94))], [])
    assert claim("ViT-B/32 fp32: served", found).met is False


def test_int8_is_compared_with_fp32_in_process_of_the_same_round() -> None:
    fp32 = figures("vit_b_32_fp32_image", turn(40, 30, 30), turn(20, 15, 15), turn(40, 30, 30))
    int8 = figures(
        "vit_b_32_int8_image",
        *(turn(140, 130, 120), turn(70, 65, 64), turn(140, 130, 124)),
        precision="int8",
        cosine=0.9998,
    )
    found = judge([fp32, int8], [])
    assert claim("int8 served over fp32", found).value == pytest.approx(3.1)
    assert claim("ViT-B/32 int8 served, smallest cosine", found).value == 0.9998


def test_texts_are_compared_with_the_same_order_and_what_sorting_would_give_is_told() -> None:
    both = [figures("minilm_fp32", turn(50, 20, 45)), figures("minilm_int8", turn(90, 70, 80), precision="int8")]
    found = judge(both, [])
    assert claim("MiniLM fp32: served", found).value == pytest.approx(0.9)
    assert "0.45 beside batches of texts sorted" in claim("MiniLM fp32: served", found).note
    assert claim("padded to the longest", found).value == pytest.approx(4.0)
    assert claim("MiniLM int8 served over fp32 in process at its best", found).value == pytest.approx(1.6)


def test_the_input_that_agrees_least_decides_and_how_many_fail_is_told() -> None:
    rounds = (turn(40, 30, 30),)
    both = [figures("minilm_fp32", *rounds), figures("minilm_int8", *rounds, precision="int8", cosine=0.98)]
    found = claim("MiniLM int8 served, smallest cosine", judge(both, []))
    assert (found.value, found.met) == (0.98, False)
    assert found.note == "mean 0.9933; 1 of 3 below 0.99"


def test_one_picture_may_take_three_milliseconds_longer_than_in_process() -> None:
    found = claim("one picture: served", judge([figures("vit_b_32_int8_image", turn(100, 90, 95, 9.0))], []))
    assert found.value == pytest.approx(2.5)
    assert found.met is True
    assert Claim("late", 3.0, 3.1, at_most=True).met is False


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    found = judge([figures("minilm_fp32", turn(100, 90, 95))], [])
    assert claim("MiniLM fp32", found).met is True
    assert claim("MiniLM int8 served over fp32", found).met is None
    assert claim("ViT-B/32 int8 served, smallest cosine", found).value is None


def test_the_demos_towers_are_judged_by_their_median() -> None:
    found = judge(
        [], [EndToEnd("clip_image", 200, 7, 0.6, 6.0, 14.0, 2.0), EndToEnd("slow", 200, 7, 0.6, 11.0, 12.0, 2.0)]
    )
    assert claim("clip_image: one picture", found).met is True
    assert "p99 14.0 ms" in claim("clip_image: one picture", found).note
    assert claim("slow: one picture", found).met is False


def test_the_tables_name_what_could_not_be_measured() -> None:
    left_out = [LeftOut("minilm_int8", "not exported: no | luck", is_failure=True), LeftOut("clip_text", "a twin")]
    shown = sheets([figures("minilm_fp32", turn(100, 90, 95))], left_out, judge([], []))
    by_title = {sheet.title: sheet for sheet in shown}
    models = by_title["Served by Triton beside the engine in process"]
    assert [row[:2] for row in models.rows][-1] == ("minilm_int8", "not exported")
    assert all(len(row) == len(sheet.columns) for sheet in shown for row in sheet.rows)
    assert "| minilm_int8 | not exported: no \\| luck |" in as_markdown(shown, "measured here")
