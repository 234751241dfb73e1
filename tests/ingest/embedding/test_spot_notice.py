"""Real embedder processes that get SIGTERM in the middle of a long document, as after a spot notice."""

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts.codec import decode
from contracts.documents import FileAdded
from contracts.halves import Half
from contracts.ids import version_of
from contracts.keys import LOG_EPOCH_KEY, embedding_checkpoint_key, half_key
from contracts.tensors import CLIP_IMAGE, TEXT_ENCODER
from contracts.topics import EMBEDDINGS, FILE_ADDED
from encoding.manifests import load_space
from runtime.kafka_producer import KafkaProducer
from runtime.object_store import ObjectStore
from stack.home import CHECKOUT
from tests.ingest.embedding.counted_triton import MAX_BATCH, CountedTriton, counted_triton
from tests.ingest.test_handlers import png, uploaded
from tests.mock_kafka import mock_kafka, records_of
from tests.running_stack import until

pytestmark = pytest.mark.integration

REPOSITORY = CHECKOUT / "model_repository"
EPOCH, STOPS_AFTER, ROWS = 1, 40, 120
DEADLINE_S = 40.0
MODULES = {"text": "ingest.text_embedder", "image": "ingest.vision_embedder"}
MODELS = {"text": TEXT_ENCODER, "image": CLIP_IMAGE}


def long_page() -> bytes:
    """A web page of many long paragraphs and as many pictures."""
    parts = []
    for i in range(ROWS):
        picture = base64.b64encode(png(f"#{i:02x}{255 - i:02x}80")).decode()
        words = f"Valve number {i} is opened, cleaned, oiled and closed again. " * 16
        parts.append(f'<h2>Valve {i}</h2><p>{words}</p><img src="data:image/png;base64,{picture}">')
    return f"<html><body>{''.join(parts)}</body></html>".encode()


class Scene:
    """A store, a broker and a model, between which worker processes come and go."""

    def __init__(self, folder: Path, broker: str, triton: CountedTriton) -> None:
        self.store_url = f"file://{folder}/objects"
        self.store = ObjectStore.from_url(self.store_url)
        self.broker = broker
        self.triton = triton
        self.space_id = load_space(REPOSITORY).space_id

    def upload(self) -> FileAdded:
        asyncio.run(self.store.put(LOG_EPOCH_KEY, b'{"epoch": 1, "identity": "c/t"}'))
        event = asyncio.run(uploaded(self.store, "long.html", long_page()))
        producer = KafkaProducer(self.broker, "test")
        producer.send(FILE_ADDED, event, key=event.doc_id).result(DEADLINE_S)
        producer.close()
        return event

    @contextmanager
    def worker(self, half: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker process of its own name, ended by SIGTERM."""
        environment = {
            "PATH": os.environ["PATH"],
            "TRIREME_KAFKA_BOOTSTRAP": self.broker,
            "TRIREME_OBJECT_STORE_URL": self.store_url,
            "TRIREME_TRITON_URL": self.triton.url,
            "TRIREME_MODEL_REPOSITORY": str(REPOSITORY),
            "TRIREME_VECTOR_CACHE_ROWS": "0",
            "TRIREME_SHUTDOWN_S": "0.5",
        }
        process = subprocess.Popen([sys.executable, "-m", MODULES[half]], cwd=CHECKOUT, env=environment)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0

    def keys(self, prefix: str) -> list[str]:
        async def listed() -> list[str]:
            return [meta.key async for meta in self.store.list(prefix)]

        return sorted(asyncio.run(listed()))

    def half(self, event: FileAdded, half: str) -> Half:
        key = half_key(self.space_id, event.doc_id, version_of(EPOCH, 0), half)
        return decode(Half, asyncio.run(self.store.get(key)))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with mock_kafka(tmp_path) as broker, counted_triton(STOPS_AFTER) as triton:
        yield Scene(tmp_path, broker, triton)


def test_workers_told_to_end_leave_checkpoints_and_the_next_repeat_the_calls_in_flight_alone(scene: Scene) -> None:
    event, triton, version = scene.upload(), scene.triton, version_of(EPOCH, 0)
    with scene.worker("text"), scene.worker("image"):
        until(lambda: all(triton.held_up[model] for model in MODELS.values()), "both are at work", DEADLINE_S)
    assert scene.keys("checkpoints/embedding/") == [
        embedding_checkpoint_key(event.doc_id, version, half) for half in ("image", "text")
    ]
    assert records_of(scene.broker, EMBEDDINGS) == []
    before = {model: list(triton.answered[model]) for model in MODELS.values()}
    triton.go_on()
    with scene.worker("text"), scene.worker("image"):
        until(lambda: len(records_of(scene.broker, EMBEDDINGS)) == 2, "the halves are made", DEADLINE_S)
        until(lambda: scene.keys("checkpoints/embedding/") == [], "the checkpoints are removed", DEADLINE_S)
    for half, model in MODELS.items():
        after, in_flight = triton.answered[model][len(before[model]) :], triton.held_up[model]
        assert STOPS_AFTER <= len(before[model]) < ROWS
        assert set(before[model]).isdisjoint(after)
        assert 0 < len(in_flight) <= 2 * MAX_BATCH
        assert set(in_flight) <= set(after)
        made = scene.half(event, half)
        assert len(made.chunks) + len(made.pictures) == len(before[model]) + len(after)
    assert max(triton.batches) <= MAX_BATCH
