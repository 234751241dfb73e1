import asyncio
from pathlib import Path

import msgspec
import pytest

from contracts.errors import DependencyDown
from contracts.generations import Generation
from gateway.clients.generation_watch import GenerationWatch, choose
from runtime.generations import publish_generation
from runtime.kafka_producer import KafkaProducer
from tests.gateway.fakes import GENERATION, SPACE


def generation(name: str, **fields: object) -> Generation:
    return msgspec.structs.replace(GENERATION, name=name, **fields)


def ours() -> frozenset[str]:
    return frozenset({SPACE.space_id})


def known(*generations: Generation) -> dict[str, Generation]:
    return {each.name: each for each in generations}


def test_auto_takes_the_youngest_generation_that_is_serving() -> None:
    found = known(
        generation("old", created_ms=1),
        generation("new", created_ms=2),
        generation("newest", created_ms=3, state="building"),
        generation("gone", created_ms=4, state="retired"),
    )
    chosen = choose(found, ours(), "auto")
    assert chosen is not None
    assert chosen.name == "new"


def test_a_generation_of_another_space_is_never_searched() -> None:
    found = known(generation("ours", created_ms=1), generation("theirs", created_ms=2, space_id="other"))
    chosen = choose(found, ours(), "auto")
    assert chosen is not None
    assert chosen.name == "ours"
    assert choose(found, ours(), "theirs") is None


def test_a_generation_that_was_asked_for_by_name_need_not_be_serving() -> None:
    found = known(generation("serving"), generation("trial", state="ready"))
    chosen = choose(found, ours(), "trial")
    assert chosen is not None
    assert chosen.name == "trial"
    assert choose(found, ours(), "absent") is None


@pytest.mark.parametrize("content", [None, b"", b"{not json"])
def test_a_memory_that_is_lost_or_damaged_is_no_generation(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "generation.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DependencyDown):
        GenerationWatch("127.0.0.1:1", ours, wanted="auto", remembered=file).current()


@pytest.mark.integration
async def test_a_generation_that_begins_to_serve_is_noticed_and_remembered(kafka: str, tmp_path: Path) -> None:
    file = tmp_path / "data" / "generation.json"
    async with GenerationWatch(kafka, ours, wanted="auto", remembered=file).running() as watch:
        with pytest.raises(DependencyDown):
            watch.current()
        producer = KafkaProducer(kafka, "generations-test")
        await asyncio.to_thread(publish_generation, producer, GENERATION)
        producer.close()
        name = None
        async with asyncio.timeout(20):
            while name is None:
                try:
                    name = watch.current().name
                except DependencyDown:
                    await asyncio.sleep(0.05)
        assert name == GENERATION.name
        async with asyncio.timeout(20):
            while not file.exists():  # noqa: ASYNC110 - a thread writes it
                await asyncio.sleep(0.05)
    assert GenerationWatch("127.0.0.1:1", ours, wanted="auto", remembered=file).current() == GENERATION
    assert GenerationWatch("127.0.0.1:1", ours, wanted=GENERATION.name, remembered=file).current() == GENERATION
    with pytest.raises(DependencyDown):
        GenerationWatch("127.0.0.1:1", ours, wanted="another", remembered=file).current()


async def test_searches_stay_where_they_are_until_the_shards_of_the_next_generation_answer(tmp_path: Path) -> None:
    ready: set[str] = set()

    async def is_ready(asked: Generation) -> bool:
        return asked.name in ready

    file = tmp_path / "generation.json"
    watch = GenerationWatch("127.0.0.1:1", ours, wanted="auto", remembered=file, is_ready=is_ready)
    await watch.consider(known(generation("old", turn=1)))
    assert watch.current().name == "old"
    found = known(generation("old", turn=1, state="ready"), generation("new", turn=2))
    await watch.consider(found)
    assert watch.current().name == "old"
    ready.add("new")
    await watch.consider(found)
    assert watch.current().name == "new"


async def test_a_generation_that_is_gone_holds_no_search_back(tmp_path: Path) -> None:
    async def is_ready(asked: Generation) -> bool:
        return False

    for left in (known(generation("old", state="retired"), generation("new", turn=2)), known(generation("new"))):
        file = tmp_path / "generation.json"
        watch = GenerationWatch("127.0.0.1:1", ours, wanted="auto", remembered=file, is_ready=is_ready)
        await watch.consider(known(generation("old", turn=1)))
        await watch.consider(left)
        assert watch.current().name == "new"
        file.unlink()
