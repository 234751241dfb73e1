"""Process: makes the image halves of documents. `python -m ingest.vision_embedder`."""

import contextlib
import threading

from encoding.opening import open_encoder
from ingest.extraction.run import Extractor
from ingest.image_handler import ImageHandler
from ingest.service import patience, run_worker, start_process
from ingest.settings import VisionEmbedderSettings
from runtime.object_store import ObjectStore
from runtime.process import run_main
from runtime.triton import TritonClient

GROUP = "vision-embedder"


async def run(settings: VisionEmbedderSettings, stop: threading.Event) -> None:
    """Work until `stop` is set."""
    store = ObjectStore.from_url(settings.object_store_url)
    async with contextlib.AsyncExitStack() as parts:
        triton = TritonClient(settings.triton_url)
        parts.push_async_callback(triton.close)
        extractor = await parts.enter_async_context(Extractor())
        handler = ImageHandler(
            store,
            extractor,
            await parts.enter_async_context(open_encoder(triton, settings)),
            patience=patience(settings),
            embed_timeout_s=settings.embed_timeout_s,
        )
        await run_worker(settings, GROUP, handler, store, stop)


if __name__ == "__main__":
    run_main(lambda: start_process(VisionEmbedderSettings, run))
