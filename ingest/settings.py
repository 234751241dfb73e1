"""Settings of the ingestion processes, from `TRIREME_*` variables (see `runtime.settings`)."""

from pathlib import Path

from pydantic import Field

from contracts.ids import DEFAULT_COLLECTION, DEFAULT_TENANT
from contracts.topics import RETRY_DELAYS_S
from runtime.settings import ProcessSettings


class WorkerSettings(ProcessSettings):
    """What every worker can be told. `process` is also its name in its consumer group, so it must be unique there.

    Args:
        concurrency: documents worked on at once.
        waiting_records: records held in memory before reading pauses.
        patience_s: how long a short outage is sat out before a document goes to the first delay topic.
        handle_timeout_s: longest time for one document.
        shutdown_s: how long begun work may go on after SIGTERM.
    """

    concurrency: int = Field(default=2, ge=1)
    waiting_records: int = Field(default=64, ge=1)
    patience_s: float = Field(default=5.0, ge=0)
    handle_timeout_s: float = Field(default=900.0, gt=0)
    shutdown_s: float = Field(default=8.0, ge=0)


class TextEmbedderSettings(WorkerSettings):
    """Settings of the text embedder.

    Args:
        embed_batch: chunks sent to the encoder before the next ones; small, so that searches get in between.
        embed_timeout_s: longest wait for the vectors of one such batch.
        ocr_languages: Tesseract's names of the languages that scans and pictures are read in, joined by '+'.
    """

    process: str = "text-embedder"
    embed_batch: int = Field(default=16, ge=1)
    embed_timeout_s: float = Field(default=60.0, gt=0)
    ocr_languages: str = Field(default="eng", pattern=r"^[A-Za-z_/]+(\+[A-Za-z_/]+)*$")


class VisionEmbedderSettings(WorkerSettings):
    """Settings of the vision embedder.

    Args:
        embed_timeout_s: longest wait for the vectors of one group of pictures.
        caption_timeout_s: longest wait for one picture's caption, where a captioner is exported.
    """

    process: str = "vision-embedder"
    embed_timeout_s: float = Field(default=120.0, gt=0)
    caption_timeout_s: float = Field(default=120.0, gt=0)


class JointUpdaterSettings(WorkerSettings):
    """Settings of the joint updater.

    Args:
        join_deadline_s: how long a half waits for the other before it is made searchable alone; at most the
            longest delay of a delay topic.
        generations_kept_s: how old the knowledge of index generations may be.
    """

    process: str = "joint-updater"
    concurrency: int = Field(default=4, ge=1)
    join_deadline_s: float = Field(default=120.0, gt=0, le=RETRY_DELAYS_S[-1])
    generations_kept_s: float = Field(default=5.0, ge=0)


class WatchFolderSettings(ProcessSettings):
    """Settings of the watched folder's process.

    Args:
        folder: files in it and below are documents, named by their path in it.
        state_file: where the process keeps what it has published, so that a restart publishes nothing twice.
        settle_s: a file is published once it has not changed for this long.
        rescan_s: the folder is looked through at least this often, should a notice have been missed.
    """

    process: str = "watch-folder"
    folder: Path
    state_file: Path
    tenant: str = DEFAULT_TENANT
    collection: str = DEFAULT_COLLECTION
    settle_s: float = Field(default=1.0, gt=0)
    rescan_s: float = Field(default=30.0, gt=0)
