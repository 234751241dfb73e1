"""A stack's home: one stack at a time, and a state file that readers can trust."""

import os
from pathlib import Path

import pytest

from contracts.errors import Conflict, NotFound
from stack.home import StackHome
from stack.state import ProcessView, StackState, last_state, read_state, write_state


def state(supervisor_pid: int | None = None) -> StackState:
    return StackState(
        supervisor_pid=os.getpid() if supervisor_pid is None else supervisor_pid,
        phase="ready",
        started_ms=0,
        gateway_url="http://127.0.0.1:1",
        kafka_bootstrap="127.0.0.1:2",
        broker="kafka",
        object_store_url="file:///tmp/x",
        generation="g-3",
        space_id="g",
        n_shards=3,
        processes=(ProcessView(name="triton", pid=7, ports={"grpc": 3}),),
    )


def test_a_second_stack_in_the_same_home_is_refused(tmp_path: Path) -> None:
    home = StackHome(tmp_path)
    with home.locked(), pytest.raises(Conflict, match="already running"), StackHome(tmp_path).locked():
        pass


def test_the_home_is_free_again_after_the_stack(tmp_path: Path) -> None:
    home = StackHome(tmp_path)
    with home.locked():
        assert home.is_locked()
    assert not home.is_locked()


def test_the_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    home = StackHome(tmp_path)
    home.create()
    write_state(home.state_file, state())
    with home.locked():
        assert read_state(home) == state()
    assert [path.name for path in home.run.iterdir() if path.suffix == ".new"] == []


def test_a_state_file_without_a_living_stack_counts_as_none(tmp_path: Path) -> None:
    home = StackHome(tmp_path)
    home.create()
    write_state(home.state_file, state())
    with pytest.raises(NotFound, match="trireme up"):
        read_state(home)


def test_what_a_killed_stack_wrote_is_not_taken_for_the_next_ones_state(tmp_path: Path) -> None:
    home = StackHome(tmp_path)
    home.create()
    write_state(home.state_file, state(supervisor_pid=os.getpid() + 1))
    with home.locked():
        with pytest.raises(NotFound, match="trireme up"):
            read_state(home)
        assert last_state(home) == state(supervisor_pid=os.getpid() + 1)


def test_reset_deletes_the_data_and_keeps_the_logs(tmp_path: Path) -> None:
    home = StackHome(tmp_path)
    home.create()
    (home.objects / "old").touch()
    (home.logs / "gateway.log").touch()
    home.reset()
    assert not any(home.objects.iterdir())
    assert (home.logs / "gateway.log").exists()
