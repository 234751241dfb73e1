"""What an index process answers on its loopback door beside its health: contents, unused documents, rebuilds.

Every page is read by the updating thread, between two updates, so it shows documents as searches see them. A page
is bounded, so that the log never waits long. Kafka, the object store and this door are as open as each other: to
whoever is on the machine.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

import msgspec

from contracts.api import Problem
from contracts.errors import Conflict, DeadlineExceeded, InvalidInput, NotFound, Overloaded, TriremeError
from contracts.index_door import (
    DOCUMENTS_PATH,
    FORGET_PATH,
    HEADS_PATH,
    MOST_DOCUMENTS,
    MOST_NAMED,
    REBUILD_PATH,
    SHARDS_PATH,
    UNUSED_PATH,
    DocumentPage,
    ForgetAnswer,
    HeadPage,
    RebuildAnswer,
    ShardState,
    UnusedDocument,
    UnusedPage,
    encode_page,
)
from index_service.documents import StoredDocument
from index_service.errands import Errands
from index_service.hosted import HostedShard
from index_service.reading import head_of, heads_of, item_set_of, live_ids, read_page
from runtime.health import DoorAnswer, DoorRequest
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)
_MSGPACK = "application/msgpack"
_PROBLEM = "application/problem+json"
_ERRAND_TIMEOUT_S = 30.0
# About 30 ms of reading and summing.
_PAGE_BYTES = 8 * 2**20
_STATUS: Mapping[type[TriremeError], int] = {
    NotFound: 404,
    Conflict: 409,
    InvalidInput: 422,
    Overloaded: 429,
    DeadlineExceeded: 504,
}

T = TypeVar("T")


class IndexDoor:
    """Answers requests about the shards of one process.

    Args:
        group: replica group that the process serves.
        read_only: a replica; it cannot tell what is unused, because touches are counted by primaries.
        today: days since 1970. now_ms: Unix time in ms.
    """

    def __init__(
        self,
        hosted: Mapping[int, HostedShard],
        errands: Errands,
        *,
        group: int,
        read_only: bool,
        today: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        self._hosted = hosted
        self._errands = errands
        self._group = group
        self._read_only = read_only
        self._today = today
        self._now_ms = now_ms
        self._pages: Mapping[str, Callable[[HostedShard, Mapping[str, str]], msgspec.Struct]] = {
            HEADS_PATH: self._heads,
            DOCUMENTS_PATH: self._documents,
            UNUSED_PATH: self._unused,
        }

    def answer(self, request: DoorRequest) -> DoorAnswer | None:
        """Answer a request; None for a path that is not one of ours."""
        try:
            if request.method == "POST":
                return self._post(request)
            if request.path == SHARDS_PATH:
                return DoorAnswer(200, encode_page([self._state(one) for one in self._hosted.values()]), _MSGPACK)
            page = self._pages.get(request.path)
            if page is None:
                return None
            hosted = self._shard(request.parameters)
            parameters = request.parameters
            body = self._ask(lambda: encode_page(page(hosted, parameters)))
            return DoorAnswer(200, body, _MSGPACK)
        except TriremeError as exc:
            return _refusal(exc)

    def _post(self, request: DoorRequest) -> DoorAnswer | None:
        if request.path not in (REBUILD_PATH, FORGET_PATH):
            return None
        hosted = self._shard(request.parameters)
        if request.path == FORGET_PATH:
            asked = self._ask(lambda: self._forget(hosted))
            _LOG.info("forget_asked_for", shard=hosted.spec.shard)
            return DoorAnswer(200, encode_page(asked), _MSGPACK)

        def mark() -> RebuildAnswer:
            hosted.rebuild_wanted = True
            return RebuildAnswer(shard=hosted.spec.shard, rebuilds=hosted.rebuilds)

        answer = self._ask(mark)
        _LOG.info("rebuild_asked_for", shard=hosted.spec.shard)
        return DoorAnswer(200, encode_page(answer), _MSGPACK)

    def _ask(self, work: Callable[[], T]) -> T:
        return self._errands.ask(work, _ERRAND_TIMEOUT_S)

    def _shard(self, parameters: Mapping[str, str]) -> HostedShard:
        number = _number(parameters, "shard", 0)
        if number not in self._hosted:
            raise NotFound(f"This process does not hold shard {number}.")
        return self._hosted[number]

    def _state(self, hosted: HostedShard) -> ShardState:
        spec, position = hosted.spec, hosted.position
        return ShardState(
            generation=spec.generation,
            shard=spec.shard,
            n_shards=spec.n_shards,
            space_id=spec.space_id,
            text_dim=spec.text_dim,
            image_dim=spec.image_dim,
            group=self._group,
            read_only=self._read_only,
            ready=hosted.caught_up,
            identity=position.identity if position else None,
            next_offset=position.next_offset if position else None,
            items=hosted.shard.n_items,
            rebuilds=hosted.rebuilds,
            forgets=hosted.forgets,
        )

    def _forget(self, hosted: HostedShard) -> ForgetAnswer:
        """Note the wish. One that is being fulfilled begins anew with it, and both end together."""
        hosted.forget_asked_ms = max(self._now_ms(), (hosted.forget_asked_ms or 0) + 1)
        return ForgetAnswer(shard=hosted.spec.shard, forgets=hosted.forgets)

    def _heads(self, hosted: HostedShard, parameters: Mapping[str, str]) -> HeadPage:
        next_offset = hosted.position.next_offset if hosted.position else 0
        named = parameters.get("ids", "")
        if named:
            ids = named.split(",")
            if len(ids) > MOST_NAMED:
                raise InvalidInput(f"At most {MOST_NAMED} documents can be named at once.", param="ids")
            return HeadPage(next_offset=next_offset, heads=tuple(heads_of(hosted.shard, ids)))
        page = read_page(hosted.shard, *_place(parameters), limit_bytes=_PAGE_BYTES)
        return HeadPage(next_offset=next_offset, heads=tuple(map(head_of, page.held)), after=page.after)

    def _documents(self, hosted: HostedShard, parameters: Mapping[str, str]) -> DocumentPage:
        page = read_page(hosted.shard, *_place(parameters), limit_bytes=_PAGE_BYTES)
        live = (held for held in page.held if held.document.op == "upsert")
        return DocumentPage(documents=tuple(item_set_of(held, hosted.spec) for held in live), after=page.after)

    def _unused(self, hosted: HostedShard, parameters: Mapping[str, str]) -> UnusedPage:
        if self._read_only:
            raise Conflict("A replica does not count accesses; ask the primary of the shard.")
        if not hosted.caught_up:
            raise Conflict("The shard is still reading its log.")
        added_before_ms = _number(parameters, "added_before_ms", 0)
        accessed_before = _number(parameters, "accessed_before_day", 0)
        after, limit = _place(parameters)
        documents = None
        if not after:
            live = list(live_ids(hosted.shard))
            documents = len(live)
            hosted.access.settle(live, self._today())

        def not_accessed(doc_id: str) -> bool:
            day = hosted.access.day(doc_id)
            return day is not None and day < accessed_before

        page = read_page(hosted.shard, after, limit, limit_bytes=_PAGE_BYTES, wanted=not_accessed)
        found = (_unused_document(held.document, hosted, added_before_ms) for held in page.held)
        return UnusedPage(
            documents=documents, unused=tuple(one for one in found if one is not None), after=page.after
        )


def _unused_document(document: StoredDocument, hosted: HostedShard, added_before_ms: int) -> UnusedDocument | None:
    fields, day = document.fields, hosted.access.day(document.doc_id)
    if fields is None or day is None or fields.added_ms >= added_before_ms:
        return None
    return UnusedDocument(
        tenant=fields.tenant,
        doc_id=document.doc_id,
        version=document.version,
        collection=fields.collection,
        source_key=fields.source_key,
        content_type=fields.content_type,
        added_ms=fields.added_ms,
        accessed_day=day,
    )


def _place(parameters: Mapping[str, str]) -> tuple[str, int]:
    """Behind which document a page begins, and how many it may look at."""
    return parameters.get("after", ""), min(MOST_DOCUMENTS, max(1, _number(parameters, "limit", MOST_DOCUMENTS)))


def _number(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name, str(default))
    if not text.isdecimal():
        raise InvalidInput(f"The parameter '{name}' must be a whole number.", param=name)
    return int(text)


def _refusal(error: TriremeError) -> DoorAnswer:
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
    problem = Problem(
        type=f"about:blank#{error.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error.message,
        code=error.code,
    )
    return DoorAnswer(status, msgspec.json.encode(problem), _PROBLEM)
