"""Process: joins the halves of documents and publishes them to the index. `python -m ingest.joint_updater`."""

import threading
import time

from ingest.clock import now_ms
from ingest.gone import RedisGoneList
from ingest.joint_handler import JointHandler
from ingest.live_generations import LogGenerations
from ingest.service import patience, run_worker, start_process
from ingest.settings import JointUpdaterSettings
from runtime.object_store import ObjectStore
from runtime.process import run_main
from runtime.space_files import SpaceBook

GROUP = "joint-updater"


async def run(settings: JointUpdaterSettings, stop: threading.Event) -> None:
    """Work until `stop` is set."""
    store = ObjectStore.from_url(settings.object_store_url)
    gone = RedisGoneList(settings.redis_url, clock=time.monotonic)
    handler = JointHandler(
        SpaceBook(settings.model_repository),
        store,
        LogGenerations(settings.kafka_bootstrap, keep_s=settings.generations_kept_s),
        gone,
        patience=patience(settings),
        join_deadline_s=settings.join_deadline_s,
        now_ms=now_ms,
    )
    try:
        await run_worker(settings, GROUP, handler, store, stop)
    finally:
        await gone.close()


if __name__ == "__main__":
    run_main(lambda: start_process(JointUpdaterSettings, run))
