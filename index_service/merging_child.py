"""`python -m index_service.merging_child`: merges the segments that the job on its standard input names."""

import sys
from pathlib import Path

import msgspec

from index_service.building import merge_segments
from index_service.merging import MergeJob, opened
from index_service.trained import TrainedIndexes
from index_service.vectors import use_faiss_threads
from runtime.object_store import ObjectStore


def main() -> None:
    """Read the job, write the segment."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=MergeJob)
    use_faiss_threads(job.faiss_threads)
    trained = TrainedIndexes(ObjectStore.from_url(job.object_store_url), job.spec, job.parameters)
    sources = [opened(source, job) for source in job.sources]
    merge_segments(Path(job.home), job.name, sources, job.spec, job.parameters, trained.get)


if __name__ == "__main__":
    main()
