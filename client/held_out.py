"""Held-out queries over samples/: what is asked, and the document that should come first."""

import msgspec

from contracts.errors import BadMessage


class HeldOutQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a file of queries."""

    id: str
    kind: str
    query: str | None
    image: str | None
    expected: str


def parse_queries(data: bytes) -> list[HeldOutQuery]:
    """The queries in a file's bytes, one JSON object a line.

    Raises:
        BadMessage: a line is no query.
    """
    try:
        return [msgspec.json.decode(line, type=HeldOutQuery) for line in data.splitlines() if line]
    except msgspec.DecodeError as exc:
        raise BadMessage("A line is no query.") from exc
