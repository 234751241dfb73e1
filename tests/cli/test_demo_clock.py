"""The demo's split of its time."""

from cli.demo_clock import DemoClock
from stack.setup import StepReport


def test_steps_side_by_side_make_one_span() -> None:
    clock = DemoClock(began_s=100.0, here_s=110.0)
    clock.note_setup(StepReport("a", "download", seconds=20.0), at_s=130.0)
    clock.note_setup(StepReport("b", "download", seconds=15.0), at_s=135.0)
    assert clock.seconds("download") == 25.0


def test_a_step_that_was_done_takes_no_time() -> None:
    clock = DemoClock(began_s=0.0, here_s=0.0)
    clock.note_setup(StepReport("a", "export", seconds=0.1, was_done=True), at_s=5.0)
    assert clock.seconds("export") == 0.0


def test_the_summary_names_every_span_that_took_time() -> None:
    clock = DemoClock(began_s=100.0, here_s=103.0)
    clock.begin("start", 104.0)
    clock.end("start", 116.0)
    clock.answered()
    summary = clock.summary()
    assert "environment 3.0" in summary
    assert "start 12.0" in summary
    assert "export" not in summary
