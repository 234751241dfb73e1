"""The joint spaces of this gateway: each is opened when an index of it is first searched, or about to be."""

import asyncio

from contracts.generations import Generation
from contracts.tensors import PRIORITY_UPLOAD
from encoding.encoder import Encoder
from encoding.encoders import Encoders
from gateway.core.clock import Clock
from gateway.core.policy import DISTILLED, FULL
from gateway.flows.encode import EncodeQuery
from gateway.flows.ports import Generations
from gateway.flows.query_spaces import QuerySpace

# A model that was loaded a moment ago takes longer for its first question.
_FIRST_ANSWER_S = 5.0
# Of recent queries: some 3 KB each.
_KEPT_VECTORS = 2048


class OpenedSpaces:
    """Spaces by id. Use it inside one event loop."""

    def __init__(self, encoders: Encoders, clock: Clock) -> None:
        self._encoders = encoders
        self._clock = clock
        self._opened: dict[str, QuerySpace] = {}

    def ids(self) -> frozenset[str]:
        """Spaces whose models this gateway's repository describes. Reads files."""
        return frozenset(self._encoders.book.all())

    def of(self, space_id: str) -> QuerySpace:
        """See `QuerySpaces.of`."""
        if space_id not in self._opened:
            encoder = self._encoders.of(space_id)
            variants = {FULL, DISTILLED} if encoder.has_distilled else {FULL}
            encode = EncodeQuery(encoder, self._clock, keep=_KEPT_VECTORS)
            self._opened[space_id] = QuerySpace(encoder.space, encode, frozenset(variants))
        return self._opened[space_id]

    def encoder_of(self, generation: Generation | None) -> Encoder:
        """The encoder of a generation's space; the first space's where there is no generation."""
        return self._encoders.of(generation.space_id) if generation else self._encoders.first

    def current_encoder(self, generations: Generations) -> Encoder:
        """The encoder of the generation that searches go to. Raises DependencyDown while none is known."""
        return self.encoder_of(generations.current())

    async def answers(self, generation: Generation) -> None:
        """Open a generation's space and have its words encoded once, before searches need it.

        Raises:
            SpaceMismatch, ConfigurationError: there are no models of it.
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: its models do not answer.
        """
        encoder = await asyncio.to_thread(self._encoders.of, generation.space_id)
        await encoder.embed_texts(["ready"], role="query", priority=PRIORITY_UPLOAD, timeout_s=_FIRST_ANSWER_S)
        await encoder.embed_query_words("ready", timeout_s=_FIRST_ANSWER_S)
