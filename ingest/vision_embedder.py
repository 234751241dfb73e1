"""Process: makes the image halves of documents. `python -m ingest.vision_embedder`."""

import contextlib
import threading

from encoding.captioner import Captioner, has_captioner
from encoding.encoder import Encoder
from encoding.opening import open_encoder
from ingest.extraction.run import Extractor
from ingest.image_handler import ImageHandler
from ingest.picture_captions import PictureCaptions
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
        encoder = await parts.enter_async_context(open_encoder(triton, settings))
        handler = ImageHandler(
            store,
            extractor,
            encoder,
            patience=patience(settings),
            embed_timeout_s=settings.embed_timeout_s,
            captions=_captions(settings, triton, encoder),
        )
        await run_worker(settings, GROUP, handler, store, stop)


def _captions(settings: VisionEmbedderSettings, triton: TritonClient, encoder: Encoder) -> PictureCaptions | None:
    """None where no captioner has been exported."""
    if not has_captioner(settings.model_repository):
        return None
    captioner = Captioner(triton, settings.model_repository)
    return PictureCaptions(captioner, encoder, patience=patience(settings), timeout_s=settings.caption_timeout_s)


if __name__ == "__main__":
    run_main(lambda: start_process(VisionEmbedderSettings, run))
