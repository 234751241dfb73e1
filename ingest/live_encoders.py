"""Which joint spaces a document is embedded for: those of every generation of the index that takes updates."""

import asyncio
from collections.abc import Sequence

from contracts.documents import FileAdded
from contracts.errors import ConfigurationError
from encoding.encoder import Encoder
from encoding.encoders import Encoders
from ingest.live_generations import GenerationList, live_spaces, live_spaces_with
from runtime.telemetry import get_logger

_log = get_logger(__name__)


class LiveEncoders:
    """The encoders of the live spaces that this process's repository describes."""

    def __init__(self, encoders: Encoders, generations: GenerationList) -> None:
        self._encoders = encoders
        self._generations = generations

    async def wanted(self, document: FileAdded) -> Sequence[Encoder]:
        """Encoders of the spaces that this document belongs in, that of the serving index first.

        Where no generation is known yet, the repository's first space alone; of a document that is about one
        space alone, that one, or none where it is not live.

        Raises:
            DependencyDown: it cannot be found out which generations there are.
            ConfigurationError: the models of the only space wanted are damaged.
        """
        described = await asyncio.to_thread(self._encoders.book.all)
        if document.space_id is not None:
            spaces = await live_spaces_with(self._generations, document.space_id, described)
            return [await self._open(document.space_id)] if document.space_id in spaces else []
        spaces = live_spaces(await self._generations.all(), described)
        found: list[Encoder] = []
        for space_id in spaces or [self._encoders.first.space.space_id]:
            try:
                found.append(await self._open(space_id))
            except ConfigurationError as exc:
                if not found:
                    raise
                _log.error("space_cannot_be_opened", space_id=space_id, reason=exc.message)
        return found

    async def _open(self, space_id: str) -> Encoder:
        # A tokenizer takes a while to be read.
        return await asyncio.to_thread(self._encoders.of, space_id)
