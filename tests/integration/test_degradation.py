"""The rest of the table of what still works (docs/ARCHITECTURE.md): answers and uploads beside searches."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from contracts.api import DocumentView
from contracts.search import Filter
from stack.home import CHECKOUT
from stack.layout import TRITON
from stack.servers.triton_control import model_control
from tests.integration.test_documents import add
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

COLLECTION = "degraded"
ONLY = Filter(collections=(COLLECTION,))
SAMPLES = CHECKOUT / "samples"
PICTURE_TOWERS = ("clip_image", "clip_image_distilled")


@pytest.fixture(scope="module", autouse=True)
def documents(stack: RunningStack) -> list[str]:
    """Enough for every shard to hold some, and a picture."""
    facts = [f"The ferry of Marstal carried {n} sheep in the year {1700 + n}.".encode() for n in range(12)]
    texts = [add(stack, COLLECTION, f"sheep-{n}.txt", fact) for n, fact in enumerate(facts)]
    return [*texts, add(stack, COLLECTION, "octopus.png", (SAMPLES / "octopus.png").read_bytes())]


def question() -> str:
    return f"How many sheep did the ferry carry? {uuid.uuid4()}"


def upload(stack: RunningStack, data: bytes) -> DocumentView:
    return stack.client.upload(data, f"{uuid.uuid4()}.txt", collection=COLLECTION)


def is_indexed(stack: RunningStack, view: DocumentView) -> bool:
    return stack.client.document(view.doc_id).state == "indexed"


def model(stack: RunningStack, do: Literal["load", "unload"], *names: str) -> None:
    async def done() -> None:
        async with model_control(f"127.0.0.1:{stack.process(TRITON).ports['grpc']}") as control:
            await asyncio.gather(*(getattr(control, do)(name) for name in names))

    asyncio.run(done())


@contextmanager
def without(stack: RunningStack, *names: str) -> Iterator[None]:
    """Triton without some models: their encoders are down, all else is up."""
    model(stack, "unload", *names)
    try:
        yield
    finally:
        model(stack, "load", *names)
        until(stack.is_well, "the models are back")


def test_with_one_shard_frozen_questions_are_answered_and_its_documents_wait_in_the_log(
    stack: RunningStack,
) -> None:
    with stack.paused("shard-1"):
        answer = stack.client.answer(question(), filter=ONLY)
        assert answer.documents
        waiting = [upload(stack, f"The goat of Birkholm number {n}.".encode()) for n in range(8)]
        others = {
            stack.client.wait(view.doc_id, states=frozenset({"indexed", "processing"})).state
            for view in waiting[:1]
        }
        assert others <= {"indexed", "processing"}
    until(lambda: all(is_indexed(stack, view) for view in waiting), "what waited is indexed", 60.0)


def test_without_redis_questions_are_answered_and_documents_come_in(stack: RunningStack) -> None:
    with stack.paused("redis"):
        added = upload(stack, b"The otter of Lindelse eats crabs.")
        assert stack.client.answer(question(), filter=ONLY).documents
        until(lambda: is_indexed(stack, added), "a document is indexed without Redis", 60.0)


def test_without_the_picture_towers_words_answer_and_a_picture_waits_until_they_are_back(
    stack: RunningStack,
) -> None:
    picture = (SAMPLES / "octopus.png").read_bytes()
    with without(stack, *PICTURE_TOWERS):
        found = stack.client.search(question(), image=picture, filter=ONLY)
        assert found.degraded == ["clip_image"]
        assert found.hits
        sent = stack.client.upload(
            (SAMPLES / "cactus.png").read_bytes(), f"{uuid.uuid4()}.png", collection=COLLECTION
        )

        def waits() -> bool:
            return "retrying" in {stage.state for stage in stack.client.document(sent.doc_id).stages}

        until(waits, "the picture waits for its encoder", 60.0)
    until(lambda: is_indexed(stack, sent), "the picture is indexed when its encoder is back", 90.0)
