"""A joint space as searches need it: how words and pictures become vectors of it, and by which variants."""

from dataclasses import dataclass
from typing import Protocol

from contracts.space import Space
from gateway.flows.encode import EncodeQuery


@dataclass(frozen=True, slots=True)
class QuerySpace:
    """One space.

    Args:
        variants: variants of the models that are there for it.
    """

    space: Space
    encode: EncodeQuery
    variants: frozenset[str]


class QuerySpaces(Protocol):
    """The spaces of this gateway; `gateway.clients.spaces.OpenedSpaces` opens them."""

    def of(self, space_id: str) -> QuerySpace:
        """The space of an index. Raises SpaceMismatch, ConfigurationError: it has no models here."""
        ...
