"""The set-up: steps that know whether they are done, and packages with a stamp of their pins."""

import threading
from pathlib import Path

import pytest

from contracts.errors import ConfigurationError
from stack import programs
from stack.packages import install_wheels, is_installed
from stack.setup import Phase, Step, StepReport, phase_seconds, run_setup, setup_steps
from stack.setup_paths import SetupPaths


class Recorded:
    """A step whose state is in memory; `failing` makes it raise."""

    def __init__(
        self, name: str, phase: Phase, log: list[str], *, done: bool = False, failing: bool = False
    ) -> None:
        self._log, self._done, self._failing = log, done, failing
        self.step = Step(name, phase, lambda: self._done, self._run)

    def _run(self) -> str:
        if self._failing:
            raise ConfigurationError("no")
        self._log.append(self.step.name)
        self._done = True
        return "a note"


def test_phases_run_in_order_and_what_is_done_is_left_alone() -> None:
    log: list[str] = []
    steps = [
        Recorded("model", "export", log).step,
        Recorded("jars", "download", log).step,
        Recorded("there", "download", log, done=True).step,
        Recorded("programs", "system", log).step,
    ]
    reports = run_setup(steps, lambda _: None)
    assert log == ["programs", "jars", "model"]
    assert {report.name for report in reports if report.was_done} == {"there"}
    assert {report.note for report in reports if not report.was_done} == {"a note"}


def test_a_second_run_does_nothing() -> None:
    log: list[str] = []
    steps = [Recorded("jars", "download", log).step, Recorded("model", "export", log).step]
    run_setup(steps, lambda _: None)
    assert all(report.was_done for report in run_setup(steps, lambda _: None))
    assert log == ["jars", "model"]


def test_a_failed_download_ends_the_set_up_before_the_export() -> None:
    log: list[str] = []
    steps = [Recorded("jars", "download", log, failing=True).step, Recorded("model", "export", log).step]
    with pytest.raises(ConfigurationError):
        run_setup(steps, lambda _: None)
    assert log == []


def test_downloads_run_side_by_side() -> None:
    together = threading.Barrier(3)

    def wait_for_the_others() -> None:
        together.wait(timeout=10)

    steps = [Step(str(n), "download", lambda: False, wait_for_the_others) for n in range(3)]
    assert len(run_setup(steps, lambda _: None)) == 3


def test_progress_tells_begin_and_end_of_what_is_run() -> None:
    told: list[StepReport] = []
    reports = run_setup([Recorded("jars", "download", []).step], told.append)
    assert [(report.name, report.seconds is None) for report in told] == [("jars", True), ("jars", False)]
    assert phase_seconds(reports)["download"] >= 0.0
    assert phase_seconds(reports)["export"] == 0.0


def test_every_step_of_this_checkout_can_say_whether_it_is_done(tmp_path: Path) -> None:
    steps = setup_steps(SetupPaths(cache=tmp_path))
    done = {step.name: step.is_done() for step in steps}
    assert not done["Kafka broker"]
    assert not done["text encoder's checkpoint"]
    assert len(done) == len(steps)


def test_changed_pins_are_not_installed(tmp_path: Path) -> None:
    pins, folder = tmp_path / "pins.txt", tmp_path / "folder"
    pins.write_text("")
    assert not is_installed(folder, pins)
    install_wheels(folder, pins, SetupPaths().checkout)
    assert is_installed(folder, pins)
    pins.write_text("# changed\n")
    assert not is_installed(folder, pins)


def test_a_failed_install_keeps_the_folder_and_says_what_failed(tmp_path: Path) -> None:
    pins, folder = tmp_path / "pins.txt", tmp_path / "folder"
    pins.write_text("")
    install_wheels(folder, pins, SetupPaths().checkout)
    (folder / "kept").touch()
    pins.write_text("this is no requirement\n")
    with pytest.raises(ConfigurationError, match=r"pins\.txt"):
        install_wheels(folder, pins, SetupPaths().checkout)
    assert (folder / "kept").exists()


def test_a_missing_program_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    missing = programs.missing_programs(programs.PROGRAMS)
    assert missing == programs.PROGRAMS
    with pytest.raises(ConfigurationError, match=r"mvn.*apt-get install.*maven"):
        programs.install_programs(missing)
