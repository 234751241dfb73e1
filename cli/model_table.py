"""One line a model: what the server says of it, and what the manifests on disk say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
from rich.markup import escape
from rich.table import Table

from contracts.errors import ConfigurationError
from export.publish import models_of_the_space
from stack.model_versions import REFERENCE, VersionFacts, read_facts, versions_on_disk
from stack.servers.triton_control import ON_REQUEST, IndexedModel, first_line

ModelState = Literal["serving", "silent", "moving", "unloaded", "failed", "not loaded", "not exported"]

_STYLE: dict[ModelState, str] = {"serving": "green", "moving": "yellow", "silent": "red", "failed": "red"}


class VersionReport(msgspec.Struct, frozen=True, kw_only=True):
    """One version, as Triton calls it; `reason` is Triton's own."""

    version: int
    state: str
    reason: str


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `trireme models list --json` prints of each model.

    Args:
        state: "serving" answers an inference, "silent" is loaded and does not; "moving" is being loaded or
            unloaded; "failed" could not be loaded.
        version: the one that serves.
        precision, source, sha256: of that version, else of the newest on disk; empty where no manifest says.
        needed: whether the joint space is made of it.
        reason: why the newest version that the server was asked for does not serve.
        versions: those that the server remembers.
        on_disk: versions in the repository given by --repository.
    """

    name: str
    state: ModelState
    version: int | None
    precision: str
    source: str
    sha256: str | dict[str, str]
    needed: bool
    reason: str
    versions: tuple[VersionReport, ...]
    on_disk: tuple[int, ...]


def report_on(model: IndexedModel, repository: Path, *, answers: bool) -> ModelReport:
    """Put together what the server and the repository say of a model.

    Args:
        answers: whether it gave an answer to a probe; counts only for a model that serves.
    """
    folder = repository / model.name
    on_disk = versions_on_disk(folder)
    facts = _facts(folder, model.serving or max(on_disk, default=REFERENCE))
    newest = model.versions[-1] if model.versions else None
    return ModelReport(
        name=model.name,
        state=_state(model, on_disk, answers=answers),
        version=model.serving,
        precision=facts.precision,
        source=facts.source,
        sha256=facts.sha256,
        needed=model.name in models_of_the_space(repository),
        reason=first_line(newest.reason) if newest and newest.reason not in {"", ON_REQUEST} else "",
        versions=tuple(
            VersionReport(version=each.version, state=each.state, reason=each.reason) for each in model.versions
        ),
        on_disk=on_disk,
    )


def models_table(reports: Iterable[ModelReport]) -> Table:
    """The reports for people."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", "state", "version", "on disk", "precision", "from", ""):
        table.add_column(heading, justify="right" if heading in {"version", "on disk"} else "left")
    for each in reports:
        style = _STYLE.get(each.state, "dim")
        table.add_row(
            escape(each.name),
            f"[{style}]{each.state}[/]",
            str(each.version or ""),
            " ".join(map(str, each.on_disk)),
            escape(each.precision),
            escape(each.source),
            escape(each.reason),
        )
    return table


def _state(model: IndexedModel, on_disk: tuple[int, ...], *, answers: bool) -> ModelState:
    if model.serving is not None:
        return "serving" if answers else "silent"
    if model.is_moving:
        return "moving"
    if model.is_away_on_request:
        return "unloaded"
    if model.versions:
        return "failed"
    return "not loaded" if on_disk else "not exported"


def _facts(folder: Path, version: int) -> VersionFacts:
    try:
        return read_facts(folder, version) or VersionFacts()
    except ConfigurationError as exc:
        return VersionFacts(source=exc.message)
