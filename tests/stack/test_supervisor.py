"""The supervisor, tried on small real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from stack.events import SetupStep, StackEvent, StackFailed
from stack.process import ProcessSpec, ReadyProbe
from stack.supervisor import Supervisor

DEADLINE_S = 20.0
SLEEPER = (sys.executable, "-S", "-c", "import time; time.sleep(600)")


def spec(
    name: str,
    argv: tuple[str, ...] = SLEEPER,
    *,
    cwd: Path,
    depends_on: tuple[str, ...] = (),
    ready: ReadyProbe | None = None,
    max_restarts: int = 5,
    ready_timeout_s: float = 10.0,
    stop_timeout_s: float = 5.0,
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=argv,
        env={"PATH": os.environ["PATH"]},
        cwd=cwd,
        depends_on=depends_on,
        ready=ready,
        max_restarts=max_restarts,
        ready_timeout_s=ready_timeout_s,
        stop_timeout_s=stop_timeout_s,
    )


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", textwrap.dedent(code))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - the condition is the kernel's, nobody sets an event for it
            await asyncio.sleep(0.02)


class Recorder:
    """Keeps what the supervisor said, as "name kind"."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: StackEvent) -> None:
        self.lines.append(f"{event.name} {event.kind}")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def supervisor(tmp_path: Path, recorder: Recorder) -> Supervisor:
    return Supervisor(tmp_path, recorder)


def pid_of(supervisor: Supervisor, name: str) -> int | None:
    return next(view.pid for view in supervisor.views() if view.name == name)


async def test_processes_start_after_what_they_depend_on_and_stop_before_it(
    supervisor: Supervisor, recorder: Recorder, tmp_path: Path
) -> None:
    async def prepare() -> None:
        recorder.lines.append("prepared")

    await supervisor.start(
        [spec("worker", cwd=tmp_path, depends_on=("topics",)), spec("broker", cwd=tmp_path)],
        [SetupStep("topics", prepare, depends_on=("broker",))],
    )
    await supervisor.stop()
    told = recorder.lines
    assert told.index("broker ready") < told.index("prepared") < told.index("worker starting")
    assert told.index("worker stopped") < told.index("broker stopping")


async def test_nothing_is_left_after_stop_even_of_processes_that_ignore_sigterm(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    stubborn = python("""
        import signal, subprocess, sys, time, pathlib
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
        pathlib.Path("grandchild").write_text(str(grandchild.pid))
        pathlib.Path("up").touch()
        time.sleep(600)
    """)

    async def up() -> bool:
        return (tmp_path / "up").exists()

    await supervisor.start([spec("stubborn", stubborn, cwd=tmp_path, ready=up, stop_timeout_s=0.3)])
    pid = pid_of(supervisor, "stubborn")
    grandchild = int((tmp_path / "grandchild").read_text())
    assert pid is not None
    await supervisor.stop()
    assert not psutil.pid_exists(pid)
    await until(lambda: is_gone(grandchild))


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_killed_process_is_started_again_and_told(
    supervisor: Supervisor, recorder: Recorder, tmp_path: Path
) -> None:
    await supervisor.start([spec("worker", cwd=tmp_path)])
    first = pid_of(supervisor, "worker")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: pid_of(supervisor, "worker") not in {first, None})
    await until(lambda: supervisor.views()[0].state == "ready")
    assert supervisor.views()[0].restarts == 1
    assert recorder.lines.index("worker died") < recorder.lines.index("worker restarting")
    await supervisor.stop()


async def test_what_a_killed_process_leaves_behind_is_tidied_up_each_time(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    tidied: list[str] = []
    await supervisor.start([replace(spec("worker", cwd=tmp_path), after_exit=lambda: tidied.append("once"))])
    pid = pid_of(supervisor, "worker")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: len(tidied) == 1)
    await until(lambda: supervisor.views()[0].state == "ready")
    await supervisor.stop()
    assert len(tidied) == 2


async def test_a_process_that_is_up_but_unwell_is_told_and_so_is_its_recovery(
    recorder: Recorder, tmp_path: Path
) -> None:
    supervisor = Supervisor(tmp_path, recorder, health_pause_s=0.02)
    well = tmp_path / "well"
    well.touch()

    async def ready() -> bool:
        return well.exists()

    await supervisor.start([spec("worker", cwd=tmp_path, ready=ready)])
    pid = pid_of(supervisor, "worker")
    well.unlink()
    await until(lambda: supervisor.views()[0].state == "unhealthy")
    well.touch()
    await until(lambda: supervisor.views()[0].state == "ready")
    assert pid_of(supervisor, "worker") == pid, "being unwell is no reason for a restart"
    assert recorder.lines.index("worker unwell") < recorder.lines.index("worker well")
    await supervisor.stop()


async def test_a_process_that_keeps_dying_is_given_up_within_its_bound(
    supervisor: Supervisor, recorder: Recorder, tmp_path: Path
) -> None:
    dying = spec(
        "dying", python("print('no disk'); raise SystemExit(3)"), cwd=tmp_path, ready=never, max_restarts=2
    )
    with pytest.raises(StackFailed, match="exit code 3") as failure:
        await supervisor.start([dying])
    assert "no disk" in failure.value.message
    assert recorder.lines.count("dying starting") == 3
    assert supervisor.views()[0].state == "given_up"
    await supervisor.stop()


async def never() -> bool:
    return False


async def test_a_process_that_is_not_ready_in_time_fails_the_start(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(StackFailed, match="not ready within"):
        await supervisor.start([spec("slow", cwd=tmp_path, ready=never, ready_timeout_s=0.2, max_restarts=0)])
    await supervisor.stop()


async def test_a_program_that_does_not_exist_fails_with_a_sentence(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(StackFailed, match="cannot be run"):
        await supervisor.start([spec("absent", ("/no/such/program",), cwd=tmp_path, max_restarts=0)])
    await supervisor.stop()


@pytest.mark.parametrize("wrong", ["nobody", "worker"])
async def test_a_dependency_that_is_absent_or_goes_in_a_circle_is_refused(
    supervisor: Supervisor, tmp_path: Path, wrong: str
) -> None:
    with pytest.raises(ValueError, match="circle"):
        await supervisor.start([spec("worker", cwd=tmp_path, depends_on=(wrong,))])


async def test_logs_of_the_last_run_are_put_aside(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("the last run")
    await supervisor.start([spec("worker", cwd=tmp_path)])
    await supervisor.stop()
    assert (tmp_path / "worker.log.1").read_text() == "the last run"


def test_killing_the_supervisor_takes_every_process_with_it(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import asyncio, pathlib, sys
        from stack.process import ProcessSpec
        from stack.supervisor import Supervisor
        here = pathlib.Path({str(tmp_path)!r})
        spec = ProcessSpec(name="worker", argv=(sys.executable, "-S", "-c", "import time; time.sleep(600)"),
                           env={{}}, cwd=here)
        async def main():
            supervisor = Supervisor(here, lambda event: None)
            await supervisor.start([spec])
            print(supervisor.views()[0].pid, flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """)
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait(timeout=DEADLINE_S)
    deadline = time.monotonic() + DEADLINE_S
    while not is_gone(worker) and time.monotonic() < deadline:
        os.sched_yield()
    assert is_gone(worker)
    parent.stdout.close()


def test_processes_that_are_removed_are_gone_for_good_and_their_names_are_free(tmp_path: Path) -> None:
    async def run() -> None:
        recorder = Recorder()
        supervisor = Supervisor(tmp_path, recorder, health_pause_s=0.05)
        await supervisor.start([spec("stays", cwd=tmp_path), spec("goes", cwd=tmp_path)])
        pids = {view.name: view.pid for view in supervisor.views()}
        await supervisor.remove(["goes", "never-there"])
        assert [view.name for view in supervisor.views()] == ["stays"]
        assert not psutil.pid_exists(pids["goes"] or 0)
        assert psutil.pid_exists(pids["stays"] or 0)
        assert recorder.lines[-1] == "goes removed"
        assert "goes restarting" not in recorder.lines
        await supervisor.start([spec("goes", cwd=tmp_path)])
        await supervisor.stop()

    asyncio.run(run())
