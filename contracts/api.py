"""Shapes of the HTTP API, shared by the gateway and the typed client. Scores: higher is better."""

from dataclasses import dataclass, field
from typing import Any, Literal

from contracts.experiments_view import ExperimentPart

ServedBy = Literal["index", "cache", "stale_cache"]
# What orders the passages of an answer: the exact joint score, or the language model, asked once for all of them.
AnswerRerank = Literal["score", "judge"]

# The model that clients of the OpenAI protocol ask for to be answered from the documents.
RETRIEVAL_MODEL = "trireme"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the index answered."""

    answered: int
    of: int


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One hit of `POST /v1/search`.

    Args:
        kind: "text" or "picture".
        score: `text_score + image_score + weight * lexical_score`, with the search's lexical weight.
        text_score, image_score: what each half of the item gave.
        lexical_score: the share of the query's words, identifiers above all, that the item holds: 0 to 1.
        box: [left, top, right, bottom] in fractions of the page.
        picture_url, thumbnail_url: short-lived signed paths on the gateway, None for text.
        machine_caption: what the model `captioned_by` says that a picture shows which no text stands beside; words
            of a machine, not of the document.
        snippet: the sentence of `text`, from the character `snippet_start` on, that shares most words with the
            query; None where none does.
    """

    rank: int
    doc_id: str
    version: int
    item_id: str
    kind: Literal["text", "picture"]
    score: float
    text_score: float
    image_score: float
    source: str
    collection: str
    content_type: str
    text: str
    page: int | None = None
    box: list[float] | None = None
    char_start: int | None = None
    char_end: int | None = None
    heading: str | None = None
    caption: str | None = None
    picture_url: str | None = None
    thumbnail_url: str | None = None
    document_url: str | None = None
    machine_caption: str | None = None
    captioned_by: str | None = None
    lexical_score: float = 0.0
    snippet: str | None = None
    snippet_start: int | None = None


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """Answer of `POST /v1/search`.

    Args:
        degraded: what was missing ("text", "clip_text", "clip_image", "shards", "cache"); empty when all is well.
        cache_age_s: age of a cached answer, None when it came from the index.
        timings_ms: milliseconds by stage: encode, kafka, faiss, merge, total.
        experiments: experiments that this search took part in, and which variant answered.
        impression_id: names this response in `POST /v1/feedback`.
    """

    hits: list[SearchHit]
    coverage: Coverage
    served_by: ServedBy
    variant: str
    generation: str
    trace_id: str
    timings_ms: dict[str, float]
    degraded: list[str] = field(default_factory=list)
    cache_age_s: float | None = None
    experiments: list[ExperimentPart] = field(default_factory=list)
    impression_id: str | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One search of a batch: its response where `status` is 200, else the problem that it has."""

    status: int
    response: SearchResponse | None
    problem: "Problem | None"


@dataclass(frozen=True, slots=True)
class BatchResponse:
    """Answer of `POST /v1/search/batch`, in the order of its searches."""

    results: list[BatchResult]


@dataclass(frozen=True, slots=True)
class Citation:
    """One verified citation `[n]` of an answer: `quote` stands in the cited document's text."""

    n: int
    doc_id: str
    item_id: str
    source: str
    quote: str
    page: int | None = None
    box: list[float] | None = None
    char_start: int | None = None
    char_end: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerResponse:
    """Answer of `POST /v1/answer`.

    Args:
        generator: which generator wrote it ("llama" or "extractive").
        found: False when the documents do not hold an answer.
        citations_dropped: citations left out because their quote is not in the source.
        reranked_by: what ordered the passages that the generator was given; "score" also where the judge failed.
        searched_for: the question that the documents were found with: a follow-up made whole by the conversation,
            else as it was asked.
        served_by, cache_age_s: of the search; see `SearchResponse`.
    """

    answer: str
    citations: list[Citation]
    documents: list[SearchHit]
    generator: str
    found: bool
    degraded: bool
    failed_stage: str | None
    citations_dropped: int
    coverage: Coverage
    variant: str
    trace_id: str
    timings_ms: dict[str, float]
    reranked_by: AnswerRerank = "score"
    searched_for: str = ""
    served_by: ServedBy = "index"
    cache_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage in a document's status. `attempt` is the try that it is about, from 1, where tries are counted."""

    stage: str
    state: str
    at_ms: int
    cause: str | None = None
    reason: str | None = None
    count: int | None = None
    revision: int | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentView:
    """`GET /v1/documents/{id}`, and the answer to an upload or a delete.

    Args:
        file_url: short-lived signed path of the original on the gateway, None once the document goes.
        sha256: of the newest version's bytes, in hex; None where the door did not see them.
        etag: of the newest version's object in the store.
        readers: groups whose callers may see it; empty for all of the tenant's.
    """

    doc_id: str
    state: str
    version: int
    visible_version: int | None
    source: str | None
    collection: str | None
    content_type: str | None
    size_bytes: int | None
    reason: str | None
    trace_id: str | None
    stages: list[StageView] = field(default_factory=list)
    file_url: str | None = None
    sha256: str | None = None
    etag: str | None = None
    readers: list[str] = field(default_factory=list)


def has_bytes(view: DocumentView | None, sha256: str) -> bool:
    """Whether a document holds these bytes already, so that to take them in again would change nothing.

    What failed, in part too, was deleted or has expired is wanted anew.
    """
    if view is None or view.sha256 != sha256:
        return False
    return view.state == "processing" or (view.state == "indexed" and view.reason is None)


@dataclass(frozen=True, slots=True)
class DocumentList:
    """`GET /v1/documents`. `counts`: documents by state, all states; told on the first page."""

    documents: list[DocumentView]
    next_cursor: str | None = None
    counts: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Every error, as application/problem+json (RFC 9457). `type` is "about:blank#<code>"."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str | None = None
    retry_after_s: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)
