"""`trireme up` from start to end: one stack a home, nothing left behind, documents still there the next time."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from contracts.search import Filter
from stack.memory import total_bytes
from stack.ports import is_free
from tests.integration.test_documents import add
from tests.running_stack import RunningStack, running, until

pytestmark = pytest.mark.integration

MEMORY_LIMIT_BYTES = 4 * 2**30
ONLY = Filter(collections=("lasting",))
QUESTION = "Who keeps the brass sextant?"


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


def states(stack: RunningStack) -> dict[str | None, str]:
    return {view.source: view.state for view in stack.client.documents().documents}


def finds(stack: RunningStack, doc_id: str) -> bool:
    return [hit.doc_id for hit in stack.client.search(QUESTION, filter=ONLY).hits] == [doc_id]


def test_documents_outlive_a_stop_and_a_killed_supervisor_and_no_process_is_left() -> None:
    with running("lasting") as stack:
        doc_id = add(stack, "lasting", "sextant.txt", b"The brass sextant is kept by the harbour master.")
        started = descendants(stack.supervisor_pid)
        ports = [port for view in stack.state().processes for port in view.ports.values()]
        assert stack.stop(signal.SIGINT) == 0
        assert gone(started)
        assert all(is_free(port) for port in ports)

        stack.start()
        assert finds(stack, doc_id)
        started = descendants(stack.supervisor_pid)
        stack.stop(signal.SIGKILL)
        until(lambda: gone(started), "the kernel has ended every process of the killed stack", 30.0)

        stack.start()
        until(lambda: finds(stack, doc_id), "the document is found after the crash", 20.0)


def test_a_second_stack_in_the_same_home_is_refused(stack: RunningStack) -> None:
    from cli.main import build
    from contracts.errors import Conflict

    with pytest.raises(Conflict, match="already running"):
        build("up")(args=["up", "--home", str(stack.home.root), "--port", "0"], standalone_mode=False)


def test_the_whole_stack_stays_within_four_gibibytes(stack: RunningStack) -> None:
    pids = [pid for pid in stack.pids().values() if pid is not None]
    assert total_bytes(pids) < MEMORY_LIMIT_BYTES


def test_every_server_listens_on_loopback_only(stack: RunningStack) -> None:
    for process in [psutil.Process(stack.supervisor_pid), *descendants(stack.supervisor_pid)]:
        listening = [each.laddr.ip for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        assert set(listening) <= {"127.0.0.1", "::ffff:127.0.0.1"}, process.cmdline()


def test_files_in_the_watched_folder_are_ingested_and_the_mock_broker_says_what_it_is(tmp_path: Path) -> None:
    with running("mock", "--broker", "mock", "--watch", str(tmp_path)) as stack:
        assert "in memory" in stack.output
        (tmp_path / "letter.txt").write_text("The cheese cellar of Bruntal is kept at eleven degrees.")
        # Not by searching: an answer without hits would be remembered for some minutes.
        until(lambda: states(stack).get("letter.txt") == "indexed", "the new file is indexed", 60.0)
        found = stack.client.search("temperature of the cheese cellar").hits
        assert [hit.source for hit in found] == ["letter.txt"]
        assert stack.state().broker == "mock"
