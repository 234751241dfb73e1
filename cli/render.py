"""Search results and documents as tables for people."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from contracts.api import AnswerResponse, Citation, DocumentView, SearchHit, SearchResponse

SNIPPET_CHARS = 90
STATE_STYLE = {"indexed": "green", "failed": "red", "processing": "yellow", "deleted": "dim"}


def hits_table(response: SearchResponse) -> Table:
    """One row a hit, best first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "score", "kind", "document", "text"):
        table.add_column(heading, overflow="fold" if heading == "text" else "ellipsis", no_wrap=heading != "text")
    for hit in response.hits:
        table.add_row(
            str(hit.rank), f"{hit.score:.3f}", hit.kind, escape(place(hit.source, hit.page)), escape(snippet(hit))
        )
    return table


def search_summary(response: SearchResponse) -> str:
    """Coverage, what served it, and where the time went, in one line."""
    timings = ", ".join(f"{stage} {ms:.0f}" for stage, ms in response.timings_ms.items())
    parts = ", ".join(f"{one.experiment}={one.variant}" for one in response.experiments)
    experiments = f"[magenta]{escape(parts)}[/] · " if parts else ""
    degraded = f" · [yellow]without {', '.join(response.degraded)}[/]" if response.degraded else ""
    return (
        f"{experiments}[dim]{response.coverage.answered} of {response.coverage.of} shards · {response.served_by}"
        f" · ms: {timings} · trace {response.trace_id}[/]{degraded}"
    )


def citation_lines(citations: Sequence[Citation]) -> list[str]:
    """One line a citation: number, document, page, quote."""
    return [f"[cyan]\\[{c.n}][/] {escape(place(c.source, c.page))}: “{escape(short(c.quote))}”" for c in citations]


def answer_text(response: AnswerResponse) -> str:
    """The answer and its citations."""
    return "\n".join([escape(response.answer), "", *citation_lines(response.citations)])


def documents_table(documents: Sequence[DocumentView]) -> Table:
    """One row a document."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "state", "document", "type", "size", "reason"):
        table.add_column(heading, no_wrap=heading in {"id", "state", "size"})
    for view in documents:
        size = f"{view.size_bytes / 1024:.0f} KiB" if view.size_bytes is not None else ""
        name = escape(view.source or "")
        table.add_row(view.doc_id, state(view), name, view.content_type or "", size, escape(view.reason or ""))
    return table


def stages_table(view: DocumentView) -> Table:
    """One row a stage of a document."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("stage", "state", "when", "try", "count", "revision", "cause", "reason"):
        table.add_column(heading)
    for stage in view.stages:
        when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(stage.at_ms / 1000))
        attempt = "" if stage.attempt is None else str(stage.attempt)
        count = "" if stage.count is None else str(stage.count)
        revision = "" if stage.revision is None else str(stage.revision)
        words = escape(stage.cause or ""), escape(stage.reason or "")
        table.add_row(stage.stage, stage.state, when, attempt, count, revision, *words)
    return table


def state(view: DocumentView) -> str:
    """A document's state in its colour."""
    return f"[{STATE_STYLE.get(view.state, 'yellow')}]{view.state}[/]"


def place(source: str, page: int | None) -> str:
    """A document and the page in it."""
    return source if page is None else f"{source}, p. {page}"


def snippet(hit: SearchHit) -> str:
    """What a hit says, in one short line; for a picture its caption where there is one."""
    if hit.kind == "picture" and hit.caption:
        return short(hit.caption)
    if hit.machine_caption:
        return f"{short(hit.machine_caption)} (a machine's words)"
    return short(hit.text)


def short(text: str, limit: int = SNIPPET_CHARS) -> str:
    """The text in one line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
