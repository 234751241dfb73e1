"""Real index processes over a real broker: starts them, feeds their log, asks them, reads what they say."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import confluent_kafka as ck
import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.codec import decode, encode
from contracts.documents import DeadLetter
from contracts.ids import document_id, shard_of
from contracts.items import IndexUpdate
from contracts.search import SearchReply, SearchRequest
from contracts.space import Space
from contracts.status import StageEvent
from contracts.topics import (
    DEAD_LETTERS,
    DOCUMENT_STATUS,
    SEARCH_REPLIES,
    SEARCH_REQUESTS,
    fixed_topics,
    generation_topics,
    index_updates,
)
from index_service.spec import ShardSpec, shard_spec
from runtime.kafka import assigned_consumer, log_bounds, to_record
from runtime.kafka_producer import KafkaProducer
from runtime.topics_admin import ensure_topics
from stack.ports import free_ports
from tests.index_service.building import IMAGE_DIM, TEXT_DIM

REPLY_PARTITION = 5
SPACE = Space(
    encoders={tower: f"{tower}@0" for tower in ("text", "clip_text", "clip_image")},
    text_dim=TEXT_DIM,
    image_dim=IMAGE_DIM,
    centred=False,
    means={"text": [0.0] * TEXT_DIM, "clip_text": [0.0] * IMAGE_DIM, "clip_image": [0.0] * IMAGE_DIM},
)


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait until a condition holds; an AssertionError names it when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)


@dataclass
class IndexProcess:
    """One `python -m index_service`."""

    environment: dict[str, str]
    log: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "index_service"], env=self.environment, stdout=log, stderr=log
            )

    def readiness(self) -> tuple[int, dict[str, object]]:
        """Status and body of /readyz; (0, {}) while nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=3) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=3) as answer:
            return str(answer.read().decode())

    def becomes_ready(self, timeout_s: float = 60.0) -> None:
        try:
            wait_for(f"{self.log.name} ready", lambda: self.readiness()[0] == 200, timeout_s)
        except AssertionError as exc:
            # Told now, not before the wait: what it has said since is why.
            raise AssertionError(f"{exc}; alive: {self.alive()}; {self.readiness()}; {self.words()}") from None

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> tuple[int, float]:
        """SIGTERM; exit status and seconds until the end."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20), time.monotonic() - started

    def words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


@dataclass
class Generation:
    """One generation on a broker: its topics, its processes, and a client's view of it."""

    bootstrap: str
    name: str
    n_shards: int
    folder: Path
    processes: list[IndexProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        ensure_topics(
            self.bootstrap, [*fixed_topics(), *generation_topics(self.name, self.n_shards)], timeout_s=30
        )
        (self.folder / "models").mkdir(parents=True, exist_ok=True)
        (self.folder / "objects").mkdir(exist_ok=True)
        (self.folder / "models" / "space.json").write_bytes(msgspec.json.encode(SPACE))
        self.producer = KafkaProducer(self.bootstrap, "test-feeder")
        self.replies = assigned_consumer(self.bootstrap, "test-replies")
        bounds = log_bounds(self.replies, SEARCH_REPLIES, [REPLY_PARTITION], 10)
        self.replies.assign([ck.TopicPartition(SEARCH_REPLIES, REPLY_PARTITION, bounds[REPLY_PARTITION][1])])
        self._asked = 0

    @property
    def spec(self) -> ShardSpec:
        """Spec of the generation's first shard; documents are built for it."""
        return shard_spec(SPACE, self.name, 0, self.n_shards)

    def doc(self, number: int) -> str:
        """Id of the n-th document; no other generation has it, because topics of documents are shared."""
        return document_id("default", self.name, str(number))

    def process(self, *shards: int, group: int = 0, **settings: str) -> IndexProcess:
        """A process for these shards, not started yet."""
        name = f"index-{group}-{'-'.join(map(str, shards))}"
        [port] = free_ports(1)
        told = {
            "process": name,
            "shards": ",".join(map(str, shards)),
            "group": str(group),
            "read_only": str(group == 1).lower(),
            "generation": self.name,
            "n_shards": str(self.n_shards),
            "snapshot_dir": str(self.folder / name),
            "health_port": str(port),
            "kafka_bootstrap": self.bootstrap,
            "object_store_url": f"file://{self.folder / 'objects'}",
            "model_repository": str(self.folder / "models"),
            **settings,
        }
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TRIREME_")}
        environment |= {f"TRIREME_{key.upper()}": value for key, value in told.items()}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        process = IndexProcess(environment, self.folder / f"{name}.log", port)
        self.processes.append(process)
        return process

    def feed(self, update: IndexUpdate) -> None:
        """Publish an update to its shard's partition."""
        partition = shard_of(update.doc_id, self.n_shards)
        self.producer.send(index_updates(self.name), update, key=update.doc_id, partition=partition)

    def feed_bytes(self, value: bytes, partition: int, key: str = "some-document") -> None:
        """Publish anything."""
        self.producer.send_bytes(index_updates(self.name), value, key=key, partition=partition)

    def ask(
        self,
        asked: NDArray[np.float32],
        *,
        group: int = 0,
        k: int = 1000,
        timeout_s: float = 5.0,
        **changes: object,
    ) -> dict[int, SearchReply]:
        """Search through Kafka; replies by shard, those that came in time."""
        self._asked += 1
        fields: dict[str, object] = {
            "tenant": "default",
            "correlation_id": f"test-{self._asked}",
            "reply_partition": REPLY_PARTITION,
            "deadline_ms": int((time.time() + timeout_s) * 1000),
            "space_id": SPACE.space_id,
            "generation": self.name,
            "vector": asked.astype("<f4").tobytes(),
            "text_dim": TEXT_DIM,
            "k": k,
        }
        request = SearchRequest(**{**fields, **changes})  # type: ignore[arg-type]
        self.producer.send_bytes(SEARCH_REQUESTS, encode(request), partition=group)
        replies: dict[int, SearchReply] = {}
        deadline = time.monotonic() + timeout_s
        while len(replies) < self.n_shards and time.monotonic() < deadline:
            message = self.replies.poll(0.05)
            record = to_record(message) if message is not None else None
            if record is not None:
                reply = decode(SearchReply, record.value)
                if reply.correlation_id == request.correlation_id:
                    replies[reply.shard] = reply
        return replies

    def everything(self, vector: NDArray[np.float32], *, group: int = 0) -> set[tuple[str, int, str]]:
        """(doc_id, version, item_id) of all items that searches of a group find."""
        replies = self.ask(vector, group=group)
        assert all(reply.outcome == "ok" for reply in replies.values()), replies
        return {(h.doc_id, h.version, h.item_id) for reply in replies.values() for h in reply.hits}

    def statuses(self) -> list[StageEvent]:
        """All of `document_status`, in order per partition."""
        return [decode(StageEvent, value) for value in read_topic(self.bootstrap, DOCUMENT_STATUS)]

    def dead_letters(self) -> list[DeadLetter]:
        """All of `dlq_embeddings`."""
        return [decode(DeadLetter, value) for value in read_topic(self.bootstrap, DEAD_LETTERS)]

    def close(self) -> None:
        """End all processes and clients."""
        for process in self.processes:
            if process.alive():
                process.kill()
        self.producer.close()
        self.replies.close()


def read_topic(bootstrap: str, topic: str) -> list[bytes]:
    """Values of all records of a topic of twelve partitions."""
    consumer = assigned_consumer(bootstrap, "test-reader", partition_eof=True)
    try:
        bounds = log_bounds(consumer, topic, range(12), 10)
        consumer.assign([ck.TopicPartition(topic, p, first) for p, (first, _) in bounds.items()])
        values: list[bytes] = []
        open_partitions = len(bounds)
        deadline = time.monotonic() + 20
        while open_partitions and time.monotonic() < deadline:
            message = consumer.poll(0.1)
            if message is None:
                continue
            record = to_record(message)
            if record is None:
                open_partitions -= 1
            else:
                values.append(record.value)
        assert not open_partitions
        return values
    finally:
        consumer.close()
