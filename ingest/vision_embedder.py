"""Process: makes the image halves of documents. `python -m ingest.vision_embedder`."""

import contextlib
import threading

from encoding.captioner import Captioner, has_captioner
from encoding.opening import open_encoders
from ingest.embedding.opening import open_embedding
from ingest.extraction.run import Extractor
from ingest.image_handler import ImageHandler
from ingest.live_encoders import LiveEncoders
from ingest.live_generations import LogGenerations
from ingest.picture_captions import PictureCaptions
from ingest.service import patience, run_worker, start_process
from ingest.settings import VisionEmbedderSettings
from runtime.object_store import ObjectStore
from runtime.process import run_main
from runtime.telemetry import Metrics
from runtime.triton import TritonClient

GROUP = "vision-embedder"


async def run(settings: VisionEmbedderSettings, stop: threading.Event) -> None:
    """Work until `stop` is set."""
    store, metrics = ObjectStore.from_url(settings.object_store_url), Metrics()
    async with contextlib.AsyncExitStack() as parts:
        triton = TritonClient(settings.triton_url)
        parts.push_async_callback(triton.close)
        reader = await parts.enter_async_context(Extractor())
        bulk_reader = await parts.enter_async_context(Extractor())
        encoders = await parts.enter_async_context(open_encoders(triton, settings))
        embedding = await parts.enter_async_context(open_embedding(settings, "image", store, metrics))
        handler = ImageHandler(
            store,
            reader,
            LiveEncoders(encoders, LogGenerations(settings.kafka_bootstrap)),
            embedding.vectors,
            embedding.checkpoints,
            patience=patience(settings),
            embed_timeout_s=settings.embed_timeout_s,
            bulk_reader=bulk_reader,
            captions=_captions(settings, triton),
        )
        await run_worker(settings, GROUP, handler, store, stop, metrics)


def _captions(settings: VisionEmbedderSettings, triton: TritonClient) -> PictureCaptions | None:
    """None where no captioner has been exported."""
    if not has_captioner(settings.model_repository):
        return None
    captioner = Captioner(triton, settings.model_repository)
    return PictureCaptions(captioner, patience=patience(settings), timeout_s=settings.caption_timeout_s)


if __name__ == "__main__":
    run_main(lambda: start_process(VisionEmbedderSettings, run))
