"""What the tasks of a batch job are told, on whichever machine they run."""

from pydantic import Field

from ingest.settings import EmbedderSettings


class BatchSettings(EmbedderSettings):
    """Settings of a batch job. The names of the workers' settings mean here what they mean to a worker.

    Args:
        concurrency: documents that one task works on at once.
        bulk_batch: most chunks or pictures in one call to a model; small, because people search meanwhile.
        vector_cache_rows: 0, because a backfill would push the documents of the day out of the cache.
        patience_s: how long an outage is sat out before a task fails, and is done again.
        embed_timeout_s: longest wait for the vectors of one call.
        ocr_languages: Tesseract's names of the languages that scans and pictures are read in, joined by '+'.
    """

    process: str = "batch"
    concurrency: int = Field(default=16, ge=1)
    bulk_batch: int = Field(default=8, ge=1, le=64)
    vector_cache_rows: int = Field(default=0, ge=0)
    patience_s: float = Field(default=60.0, ge=0)
    embed_timeout_s: float = Field(default=120.0, gt=0)
    ocr_languages: str = Field(default="eng", pattern=r"^[A-Za-z_/]+(\+[A-Za-z_/]+)*$")
