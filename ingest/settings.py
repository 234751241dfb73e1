"""Settings of the ingestion processes, from `TRIREME_*` variables (see `runtime.settings`)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

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


class EmbedderSettings(WorkerSettings):
    """What both embedders can be told.

    Args:
        concurrency: documents worked on at once. One is read at a time, while others are embedded together.
        embed_batch: most chunks or pictures sent to the model in one call, of whatever documents; never more than
            the served model takes (8 on a CPU, 64 on a GPU).
        bulk_batch: the same for backfills; small, so that a search's question never waits behind much.
        calls_in_flight: such calls under way at once; fewer while the model's queue is full.
        checkpoint_s: a document in the making is saved this often; a new one is not before it has passed.
        vector_cache_rows: vectors remembered in Redis, about 1.8 kB each; 0 remembers none.
    """

    concurrency: int = Field(default=4, ge=1)
    embed_batch: int = Field(default=64, ge=1, le=64)
    bulk_batch: int = Field(default=4, ge=1, le=64)
    calls_in_flight: int = Field(default=2, ge=1)
    checkpoint_s: float = Field(default=10.0, gt=0)
    vector_cache_rows: int = Field(default=8192, ge=0)


class TextEmbedderSettings(EmbedderSettings):
    """Settings of the text embedder.

    Args:
        embed_timeout_s: longest wait for the vectors of one call.
        ocr_languages: Tesseract's names of the languages that scans and pictures are read in, joined by '+'.
    """

    process: str = "text-embedder"
    embed_timeout_s: float = Field(default=60.0, gt=0)
    ocr_languages: str = Field(default="eng", pattern=r"^[A-Za-z_/]+(\+[A-Za-z_/]+)*$")


class VisionEmbedderSettings(EmbedderSettings):
    """Settings of the vision embedder.

    Args:
        embed_timeout_s: longest wait for the vectors of one call.
        caption_timeout_s: longest wait for one picture's caption, where a captioner is exported.
    """

    process: str = "vision-embedder"
    bulk_batch: int = Field(default=8, ge=1, le=64)
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


class WebhookSettings(ProcessSettings):
    """Settings of the door for events of an S3-compatible store.

    Args:
        token: what the store has to send with every event; at least 16 characters.
        lane: "bulk" for a bucket whose arrivals must not delay people's uploads.
    """

    process: str = "webhook"
    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=1, le=65535)
    token: SecretStr = Field(min_length=16)
    lane: Literal["live", "bulk"] = "live"
