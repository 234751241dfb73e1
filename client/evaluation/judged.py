"""Judged queries: what is asked, and the documents that answer it. One JSON object a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from contracts.errors import InvalidInput, NotFound

_MOST_PICTURE_BYTES = 20_000_000


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line as it may be written; other fields are ignored."""

    query: str | None = None
    image: str | None = None
    expected: str | list[str]
    kind: str = "queries"
    id: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query and what should be found.

    Args:
        kind: queries of one kind are counted together.
        words, picture: at least one is there; `picture` is a file's bytes.
        relevant: names or ids of the documents that answer it.
    """

    id: str
    kind: str
    words: str | None
    picture: bytes | None
    relevant: frozenset[str]


def read_judged(path: Path) -> list[JudgedQuery]:
    """The queries in a file. Pictures are found beside the file, or from the working directory.

    Raises:
        NotFound: the file, or a picture that it names, is not there.
        InvalidInput: a line is no query; says which.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise NotFound(f"The file '{path}' cannot be read.") from exc
    queries = [_judged(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not queries:
        raise InvalidInput(f"There are no queries in '{path}'.")
    return queries


def _judged(path: Path, number: int, text: bytes) -> JudgedQuery:
    where = f"Line {number} of '{path.name}'"
    try:
        line = msgspec.json.decode(text, type=_Line)
    except msgspec.DecodeError as exc:
        raise InvalidInput(f"{where} is no query: {exc}.") from exc
    relevant = frozenset([line.expected] if isinstance(line.expected, str) else line.expected)
    if not relevant or "" in relevant:
        raise InvalidInput(f"{where} names no document in 'expected'.")
    words = (line.query or "").strip() or None
    if words is None and line.image is None:
        raise InvalidInput(f"{where} asks for nothing: it has neither 'query' nor 'image'.")
    picture = _picture(path, line.image, where) if line.image is not None else None
    return JudgedQuery(line.id or str(number), line.kind, words, picture, relevant)


def _picture(path: Path, name: str, where: str) -> bytes:
    for place in (path.parent / name, Path(name)):
        if place.is_file():
            if place.stat().st_size > _MOST_PICTURE_BYTES:
                raise InvalidInput(f"{where} names a picture of more than {_MOST_PICTURE_BYTES:,} bytes.")
            return place.read_bytes()
    raise NotFound(f"{where} names the picture '{name}', which is not there.")
