"""Process: publishes the files of a folder as they come and go. `python -m ingest.watch_folder`."""

import threading
import time

from contracts.errors import DependencyDown, Overloaded
from ingest.doors.folder_state import load_state
from ingest.doors.watch import FolderNotices, WatchedFolder
from ingest.service import start_process
from ingest.settings import WatchFolderSettings
from runtime.health import HealthServer
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectStore
from runtime.process import run_main
from runtime.publishing import DocumentPublisher
from runtime.telemetry import Metrics, get_logger

_log = get_logger(__name__)

_OUTAGE_WAIT_S = 2.0
_STOP_CHECK_S = 0.5


async def run(settings: WatchFolderSettings, stop: threading.Event) -> None:
    """Watch until `stop` is set."""
    store = ObjectStore.from_url(settings.object_store_url)
    producer = KafkaProducer(settings.kafka_bootstrap, settings.process)
    watched = WatchedFolder(
        settings.folder,
        load_state(settings.state_file),
        settings.state_file,
        DocumentPublisher(store, producer, await read_log_epoch(store)),
        tenant=settings.tenant,
        collection=settings.collection,
        settle_s=settings.settle_s,
    )
    status: dict[str, object] = {"unsettled": 0, "published": False}
    health = HealthServer(
        settings.health_port, lambda: (True, dict(status)), Metrics().registry, host=settings.health_host
    )
    health.start()
    notices = FolderNotices(settings.folder)
    try:
        while not stop.is_set():
            try:
                status["unsettled"] = unsettled = await watched.sync(time.monotonic())
                status["published"] = not unsettled
                pause_s = settings.settle_s if unsettled else settings.rescan_s
            except (DependencyDown, Overloaded) as exc:
                _log.warning("files_wait", reason=exc.message)
                status["published"] = False
                pause_s = _OUTAGE_WAIT_S
            await _wait(notices, pause_s, stop)
    finally:
        await notices.close()
        health.stop()
        producer.close()


async def _wait(notices: FolderNotices, pause_s: float, stop: threading.Event) -> None:
    """Until a notice, the end of the pause, or the stop."""
    until = time.monotonic() + pause_s
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        if await notices.wait(min(left, _STOP_CHECK_S)):
            return


if __name__ == "__main__":
    run_main(lambda: start_process(WatchFolderSettings, run))
