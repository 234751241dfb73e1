"""Process: makes the text halves of documents. `python -m ingest.text_embedder`."""

import asyncio
import contextlib
import threading

from contracts.errors import ConfigurationError
from encoding.opening import open_encoder
from ingest.extraction.ocr import require_tesseract
from ingest.extraction.run import Extractor
from ingest.extraction.types import ExtractionLimits
from ingest.service import patience, run_worker, start_process
from ingest.settings import TextEmbedderSettings
from ingest.text_handler import TextHandler
from runtime.object_store import ObjectStore
from runtime.process import run_main
from runtime.telemetry import get_logger
from runtime.triton import TritonClient

_log = get_logger(__name__)

GROUP = "text-embedder"


async def run(settings: TextEmbedderSettings, stop: threading.Event) -> None:
    """Work until `stop` is set. Without Tesseract it works, too; scans and pictures then fail, each by itself."""
    try:
        await asyncio.to_thread(require_tesseract, settings.ocr_languages)
    except ConfigurationError as exc:
        _log.warning("scans_cannot_be_read", reason=exc.message)
    store = ObjectStore.from_url(settings.object_store_url)
    async with contextlib.AsyncExitStack() as parts:
        triton = TritonClient(settings.triton_url)
        parts.push_async_callback(triton.close)
        extractor = await parts.enter_async_context(
            Extractor(ExtractionLimits(ocr_languages=settings.ocr_languages))
        )
        handler = TextHandler(
            store,
            extractor,
            await parts.enter_async_context(open_encoder(triton, settings)),
            patience=patience(settings),
            batch=settings.embed_batch,
            embed_timeout_s=settings.embed_timeout_s,
        )
        await run_worker(settings, GROUP, handler, store, stop)


if __name__ == "__main__":
    run_main(lambda: start_process(TextEmbedderSettings, run))
