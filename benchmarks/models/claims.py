"""What the figures are to show, each with its limit and whether it is met. The limits are the project's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

from benchmarks.models.end_to_end import EndToEnd
from benchmarks.models.exported import MINILM, VIT, Wanted
from benchmarks.models.figures import ModelFigures
from benchmarks.models.real_inputs import SORTED, TOGETHER

_LEAST_COSINE = 0.99


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: `value` is at least, or at most, `limit`. A value of None was not measured in this run.

    Args:
        unit: printed behind both numbers, such as " ms".
        note: figures that belong to it.
    """

    text: str
    limit: float
    value: float | None
    unit: str = ""
    at_most: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """None where there is no value."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(frozen=True, slots=True)
class Pair:
    """A network in fp32 and in int8, as far as they were measured."""

    fp32: ModelFigures | None
    int8: ModelFigures | None

    def speed_up(self, way: str | None = None) -> float | None:
        """int8 served over fp32 in process, with its best or one way of batching, round by round."""
        return median(self.int8.ratios_to(self.fp32, way)) if self.fp32 and self.int8 else None

    def cosine_claim(self, name: str) -> Claim:
        """int8 as served beside fp32 in process, by the input that agrees least."""
        text = f"{name} int8 served, smallest cosine to fp32 in process"
        if self.fp32 is None or self.int8 is None:
            return Claim(text, _LEAST_COSINE, None)
        found = self.int8.agreement
        below = found.below(_LEAST_COSINE)
        note = f"mean {mean(found.cosines):.4f}; {below} of {len(found.cosines)} below {_LEAST_COSINE}"
        return Claim(text, _LEAST_COSINE, min(found.cosines), note=note)


def judge(figures: Sequence[ModelFigures], end_to_end: Sequence[EndToEnd]) -> list[Claim]:
    """Every claim, in the order of the documentation."""
    by_name = {each.subject.model: each for each in figures}
    vit, minilm = (
        Pair(by_name.get(Wanted(family, "fp32").model), by_name.get(Wanted(family, "int8").model))
        for family in (VIT, MINILM)
    )
    return [
        *_served_over_in_process(vit, minilm),
        Claim("ViT-B/32 int8 served over fp32 in process, throughput", 3.0, vit.speed_up(), "x"),
        vit.cosine_claim("ViT-B/32"),
        Claim(
            "ViT-B/32 int8, one picture: served beyond in process",
            3.0,
            vit.int8.served_ms - vit.int8.in_process_ms if vit.int8 else None,
            " ms",
            at_most=True,
            note=f"{vit.int8.served_ms:.1f} ms served, {vit.int8.in_process_ms:.1f} in process"
            if vit.int8
            else "",
        ),
        Claim(
            "MiniLM int8 served over fp32 in process padded to the longest, throughput",
            2.0,
            minilm.speed_up(TOGETHER),
            "x",
            note=_padding(minilm),
        ),
        Claim("MiniLM int8 served over fp32 in process at its best, throughput", 2.0, minilm.speed_up(), "x"),
        minilm.cosine_claim("MiniLM"),
        *(
            Claim(
                f"{each.model}: one picture from JPEG to vector, median",
                10.0,
                each.p50_ms,
                " ms",
                at_most=True,
                note=f"p99 {each.p99_ms:.1f} ms; decoding and resizing {each.prepare_ms:.1f} ms",
            )
            for each in end_to_end
        ),
    ]


def _served_over_in_process(vit: Pair, minilm: Pair) -> list[Claim]:
    limits = (
        ("ViT-B/32 fp32", 0.95, vit.fp32),
        ("ViT-B/32 int8", 0.85, vit.int8),
        ("MiniLM fp32", 0.85, minilm.fp32),
        ("MiniLM int8", 0.85, minilm.int8),
    )
    return [
        Claim(
            f"{name}: served over in process, throughput",
            limit,
            each.ratio if each else None,
            note=_spread(each) if each else "",
        )
        for name, limit, each in limits
    ]


def _spread(figures: ModelFigures) -> str:
    ratios = figures.ratios_to(figures)
    told = f"{min(ratios):.2f} to {max(ratios):.2f} over {len(ratios)} rounds"
    if figures.padding is None:
        return told
    beside = median(figures.ratios_to(figures, SORTED))
    return f"{told}; {beside:.2f} beside batches of texts sorted by length beforehand"


def _padding(pair: Pair) -> str:
    padding = pair.int8.padding if pair.int8 else None
    if padding is None:
        return ""
    return (
        f"{padding.share:.1%} of the tokens are padding ({padding.share_to_longest:.1%} if padded to the longest)"
    )
