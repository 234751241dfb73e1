"""Process: makes the text halves of documents. `python -m ingest.text_embedder`."""

import asyncio
import contextlib
import threading

from contracts.errors import ConfigurationError
from encoding.opening import open_encoders
from ingest.embedding.opening import open_embedding
from ingest.extraction.ocr import require_tesseract
from ingest.extraction.run import Extractor
from ingest.extraction.types import ExtractionLimits
from ingest.live_encoders import LiveEncoders
from ingest.live_generations import LogGenerations
from ingest.service import patience, run_worker, start_process
from ingest.settings import TextEmbedderSettings
from ingest.text_handler import TextHandler
from runtime.object_store import ObjectStore
from runtime.process import run_main
from runtime.telemetry import Metrics, get_logger
from runtime.triton import TritonClient

_log = get_logger(__name__)

GROUP = "text-embedder"


async def run(settings: TextEmbedderSettings, stop: threading.Event) -> None:
    """Work until `stop` is set. Without Tesseract it works, too; scans and pictures then fail, each by itself."""
    try:
        await asyncio.to_thread(require_tesseract, settings.ocr_languages)
    except ConfigurationError as exc:
        _log.warning("scans_cannot_be_read", reason=exc.message)
    store, metrics = ObjectStore.from_url(settings.object_store_url), Metrics()
    limits = ExtractionLimits(ocr_languages=settings.ocr_languages)
    async with contextlib.AsyncExitStack() as parts:
        triton = TritonClient(settings.triton_url)
        parts.push_async_callback(triton.close)
        reader = await parts.enter_async_context(Extractor(limits))
        bulk_reader = await parts.enter_async_context(Extractor(limits))
        encoders = await parts.enter_async_context(open_encoders(triton, settings))
        embedding = await parts.enter_async_context(open_embedding(settings, "text", store, metrics))
        handler = TextHandler(
            store,
            reader,
            LiveEncoders(encoders, LogGenerations(settings.kafka_bootstrap)),
            embedding.vectors,
            embedding.checkpoints,
            patience=patience(settings),
            embed_timeout_s=settings.embed_timeout_s,
            bulk_reader=bulk_reader,
        )
        await run_worker(settings, GROUP, handler, store, stop, metrics)


if __name__ == "__main__":
    run_main(lambda: start_process(TextEmbedderSettings, run))
