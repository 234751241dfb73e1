"""`trireme eval encoders`: the picture tower and its distilled student side by side, on held-out pictures.

Runs the exported models in this process; no stack need be up.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from cli.console import JsonOption, out, print_json
from contracts.errors import NotFound
from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED
from stack.home import CHECKOUT

REPOSITORY = CHECKOUT / "model_repository"
PICTURES = CHECKOUT / "samples"


class TowerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table; recalls are shares, milliseconds are of one picture from its file's bytes on."""

    model: str
    text_to_picture_1: float
    text_to_picture_10: float
    picture_to_text_1: float
    picture_to_text_10: float
    picture_to_picture_10: float
    on_teachers_index_10: float
    cosine_to_teacher: float
    flops: int
    size_bytes: int
    latency_p50_ms: float
    latency_p99_ms: float


class EncoderFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What `trireme eval encoders --json` prints: the towers, and the student's shares of what it is held to."""

    teacher: TowerFigures
    student: TowerFigures
    texts: int
    pictures: int
    queries: int
    recall_kept: float
    cross_recall_kept: float
    flops_ratio: float
    latency_ratio: float


def encoders(
    runs: Annotated[int, typer.Option(min=1, help="Pictures to time each tower with.")] = 200,
    threads: Annotated[int, typer.Option(min=1, help="Threads of a model when it is timed.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure the demo's picture tower and its distilled student: recall, agreement, cost and speed."""
    figures = measure(REPOSITORY, PICTURES, runs=runs, threads=threads)
    if as_json:
        print_json(figures)
        return
    out.print(_table(figures))
    out.print(
        f"{figures.texts} texts, {figures.pictures} pictures, {figures.queries} query pictures, "
        f"none seen in training. The student keeps {100 * figures.recall_kept:.1f} % of the teacher's recall@10; "
        "its pictures find "
        f"{100 * figures.cross_recall_kept:.1f} % on the teacher's index of what they find on its own. "
        f"{figures.flops_ratio:.2f} times fewer FLOPs, {figures.latency_ratio:.2f} of the teacher's time."
    )


def measure(repository: Path, pictures: Path, *, runs: int, threads: int) -> EncoderFigures:
    """All figures of the exported towers; takes some seconds.

    Raises:
        ConfigurationError: a model is not exported. NotFound: there is no JPEG under `pictures` to time with.
    """
    # Numeric libraries are loaded here, and not for `trireme eval samples`.
    import numpy as np

    from encoding.manifests import load_space
    from export.distil.card import flops_of
    from export.distil.heldout import demo_held_out
    from export.distil.latency import picture_latencies
    from export.distil.measure import compare
    from export.distil.towers import PictureTeacher

    teacher, student = (PictureTeacher(repository, model) for model in (CLIP_IMAGE, CLIP_IMAGE_DISTILLED))
    agreement = compare(demo_held_out(), teacher.embed, student.embed, load_space(repository))
    files = [path.read_bytes() for path in sorted(pictures.rglob("*.jpg"))]
    if not files:
        raise NotFound("There is no JPEG among the samples to time the towers with.")
    towers = {CLIP_IMAGE: teacher, CLIP_IMAGE_DISTILLED: student}
    taken = picture_latencies(
        {name: tower.path for name, tower in towers.items()},
        files,
        image_size=teacher.manifest.image_size,
        resize=teacher.manifest.resize,
        runs=runs,
        threads=threads,
    )
    rows = {}
    for name, recall in ((CLIP_IMAGE, agreement.teacher), (CLIP_IMAGE_DISTILLED, agreement.student)):
        is_teacher = name == CLIP_IMAGE
        rows[name] = TowerFigures(
            model=name,
            text_to_picture_1=recall.text_to_picture_1,
            text_to_picture_10=recall.text_to_picture_10,
            picture_to_text_1=recall.picture_to_text_1,
            picture_to_text_10=recall.picture_to_text_10,
            picture_to_picture_10=recall.picture_to_picture_10,
            on_teachers_index_10=recall.picture_to_picture_10 if is_teacher else agreement.cross_10,
            cosine_to_teacher=1.0 if is_teacher else agreement.cosine_mean,
            flops=flops_of(towers[name].path),
            size_bytes=towers[name].path.stat().st_size,
            latency_p50_ms=round(float(np.median(taken[name])), 2),
            latency_p99_ms=round(float(np.percentile(taken[name], 99)), 2),
        )
    full, small = rows[CLIP_IMAGE], rows[CLIP_IMAGE_DISTILLED]
    return EncoderFigures(
        teacher=full,
        student=small,
        texts=agreement.texts,
        pictures=agreement.pictures,
        queries=agreement.queries,
        recall_kept=round(agreement.recall_kept, 4),
        cross_recall_kept=round(agreement.cross_kept, 4),
        flops_ratio=round(full.flops / small.flops, 2),
        latency_ratio=round(small.latency_p50_ms / full.latency_p50_ms, 2),
    )


def _table(figures: EncoderFigures) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for tower in (figures.teacher, figures.student):
        table.add_column(tower.model, justify="right")
    rows: tuple[tuple[str, Callable[[TowerFigures], str]], ...] = (
        ("words to pictures, recall@1 / @10", lambda t: f"{t.text_to_picture_1:.3f} / {t.text_to_picture_10:.3f}"),
        ("pictures to words, recall@1 / @10", lambda t: f"{t.picture_to_text_1:.3f} / {t.picture_to_text_10:.3f}"),
        ("pictures to pictures, recall@10", lambda t: f"{t.picture_to_picture_10:.3f}"),
        ("the same on the teacher's index", lambda t: f"{t.on_teachers_index_10:.3f}"),
        ("mean cosine to the teacher", lambda t: f"{t.cosine_to_teacher:.3f}"),
        ("FLOPs a picture", lambda t: f"{t.flops / 1e6:.1f} M"),
        ("size of the model", lambda t: f"{t.size_bytes / 1e6:.2f} MB"),
        ("one picture from JPEG, p50 / p99", lambda t: f"{t.latency_p50_ms:.1f} / {t.latency_p99_ms:.1f} ms"),
    )
    for name, cell in rows:
        table.add_row(name, cell(figures.teacher), cell(figures.student))
    return table
