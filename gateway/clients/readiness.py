"""Asks every dependency whether searches can be answered, and Triton which models it has."""

import asyncio
from collections.abc import Callable, Sequence

from contracts.api import RETRIEVAL_MODEL
from contracts.errors import TriremeError
from contracts.generations import Generation
from contracts.space import TOWERS
from contracts.tensors import LLAMA, MODELS, TEXT_ENCODER
from gateway.clients.answer_cache import RedisAnswerCache
from gateway.clients.generation_watch import GenerationWatch
from gateway.clients.reply_bus import ReplyBus
from gateway.core.readiness import Readiness
from runtime.triton import TritonClient


class ReadinessCheck:
    """The gateway's dependencies. Redis is told but not needed: searches work without a cache.

    Args:
        encoders: the models that Triton must serve, by the generation that searches go to, None where none is.
    """

    def __init__(
        self,
        bus: ReplyBus,
        generations: GenerationWatch,
        triton: TritonClient,
        cache: RedisAnswerCache,
        encoders: Callable[[Generation | None], Sequence[str]],
    ) -> None:
        self._bus = bus
        self._generations = generations
        self._triton = triton
        self._cache = cache
        self._encoders = encoders

    async def readiness(self) -> Readiness:
        """Whether Kafka, every encoder and an index are there."""
        generation = self._generation()
        needed = self._encoders(generation)
        encoders, redis = await asyncio.gather(self._triton.ready(needed), self._cache.ping())
        kafka = self._bus.available()
        details = {
            "kafka": kafka,
            "encoders": encoders,
            "redis": redis,
            "generation": generation.name if generation else None,
        }
        return Readiness(ready=kafka and encoders and generation is not None, details=details)

    async def models(self) -> list[str]:
        """Models that answer now: those that Triton has loaded, and the one that searches first."""
        needed = self._encoders(self._generation())
        names = list(dict.fromkeys([*MODELS, *needed, LLAMA]))
        loaded = await asyncio.gather(*(self._triton.ready([name]) for name in names))
        answering = [name for name, is_loaded in zip(names, loaded, strict=True) if is_loaded]
        if len(needed) < len(TOWERS):
            # Then an API embeds texts, and whether that answers is seen when it is asked.
            answering.append(TEXT_ENCODER)
        # Where no language model is loaded it quotes.
        return [*answering, RETRIEVAL_MODEL] if (await self.readiness()).ready else answering

    def _generation(self) -> Generation | None:
        try:
            return self._generations.current()
        except TriremeError:
            return None
