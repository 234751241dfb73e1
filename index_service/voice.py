"""Who tells the world what became of a document: the shards of a generation that has served, and no others.

A status has one writer. While a generation is being filled, or waits for its cut-over, the one that serves speaks.
After the cut-over both do, with the same words, until the old one is retired: so no word is lost in between.
"""

import time
from collections.abc import Callable, Mapping

from contracts.errors import TriremeError
from contracts.generations import Generation
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)
_ASK_EVERY_S = 2.0

ReadGenerations = Callable[[], Mapping[str, Generation]]
"""Reads all generations; raises errors of the tree."""


class Voice:
    """Whether a generation's shards speak. Used by the thread that applies updates.

    Args:
        read: asked at most every two seconds, and never again once the generation has served.
    """

    def __init__(
        self, generation: str, read: ReadGenerations, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._generation = generation
        self._read = read
        self._clock = clock
        self._speaks = False
        self._has_served = False
        self._ask_at: float | None = None

    def speaks(self) -> bool:
        """True as well while it cannot be found out: a word too many does no harm, one too few does."""
        if not self._has_served and (self._ask_at is None or self._clock() >= self._ask_at):
            self._ask()
        return self._speaks

    def _ask(self) -> None:
        try:
            known = self._read().get(self._generation)
        except TriremeError as exc:
            _LOG.warning("generations_unreadable", reason=exc.message)
            self._speaks = True
        else:
            # One that was announced before there were turns, or by nobody, has no other to speak for it.
            self._has_served = known is None or known.turn > 0 or known.state == "serving"
            self._speaks = self._has_served
        self._ask_at = self._clock() + _ASK_EVERY_S
