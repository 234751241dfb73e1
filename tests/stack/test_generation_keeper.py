"""The stack's index processes follow the topic of generations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from contracts.errors import BadMessage
from contracts.generations import Generation, GenerationState
from stack.events import StackFailed
from stack.generations.keeper import GenerationKeeper, remember, remembered
from stack.process import ProcessSpec


def generation(name: str, state: GenerationState = "serving", *, turn: int = 1, space: str = "s") -> Generation:
    return Generation(
        tenant="t", name=name, space_id=space, n_shards=2, state=state, created_ms=len(name), turn=turn
    )


def specs_of(one: Generation) -> list[ProcessSpec]:
    return [ProcessSpec(f"{one.name}-{i}", ("true",), {}, Path("/")) for i in range(one.n_shards)]


class Processes:
    """Knows which processes run; those in `broken` do not come up."""

    def __init__(self) -> None:
        self.running: set[str] = {"old-0", "old-1"}
        self.broken: set[str] = set()
        self.tries = 0

    async def start(self, specs: Sequence[ProcessSpec]) -> None:
        self.tries += 1
        if self.broken & {spec.name for spec in specs}:
            raise StackFailed("it does not come up")
        self.running |= {spec.name for spec in specs}

    async def remove(self, names: Iterable[str]) -> None:
        self.running -= set(names)


class World:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.processes = Processes()
        self.served: list[str] = []
        for name in ("old-0", "old-1"):
            (data / name).mkdir()
        self.keeper = GenerationKeeper(
            self.processes,
            data,
            lambda: ("s",),
            {"old": ["old-0", "old-1"]},
            specs_of=specs_of,
            snapshots_of=lambda names: [data / name for name in names],
            on_serving=lambda one: self.served.append(one.name),
        )

    def follow(self, *generations: Generation) -> None:
        asyncio.run(self.keeper.follow({one.name: one for one in generations}))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_generation_that_is_announced_gets_its_processes_once(world: World) -> None:
    for _ in range(2):
        world.follow(generation("old"), generation("new", "building", turn=0))
    assert world.processes.running == {"old-0", "old-1", "new-0", "new-1"}
    # One try a process, one after the other.
    assert world.processes.tries == 2
    assert world.served == ["old", "old"]


def test_a_retired_generation_loses_its_processes_and_their_snapshots(world: World) -> None:
    world.follow(generation("old", "retired"), generation("new", turn=2))
    assert world.processes.running == {"new-0", "new-1"}
    assert not (world.data / "old-0").exists()
    assert world.served == ["new"]


def test_generations_of_another_space_are_somebody_elses(world: World) -> None:
    world.follow(generation("old"), generation("alien", turn=9, space="other"))
    assert world.processes.running == {"old-0", "old-1"}
    assert world.served == ["old"]


def test_what_was_live_last_is_what_the_next_start_begins_with(world: World) -> None:
    assert remembered(world.data) == ()
    new = generation("new", turn=2)
    world.follow(generation("old", "retired"), new)
    assert remembered(world.data) == (new,)


def test_a_topic_that_tells_of_nothing_does_not_empty_what_is_remembered(world: World) -> None:
    remember(world.data, [generation("old")])
    world.follow()
    assert remembered(world.data) == (generation("old"),)
    assert world.processes.running == {"old-0", "old-1"}


def test_a_list_that_cannot_be_read_is_told(world: World) -> None:
    (world.data / "generations.json").write_text("{")
    with pytest.raises(BadMessage, match=r"generations\.json"):
        remembered(world.data)


def test_processes_that_do_not_come_up_are_not_tried_without_end(world: World) -> None:
    world.processes.broken = {"new-1"}
    new = generation("new", "building", turn=0)
    with pytest.raises(StackFailed):
        world.follow(generation("old"), new)
    world.follow(generation("old"), new)
    assert world.processes.tries == 2
    # Retired, it takes with it what did come up.
    world.follow(generation("old"), generation("new", "retired", turn=0))
    assert world.processes.running == {"old-0", "old-1"}
