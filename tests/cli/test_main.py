"""The command line itself: lazy, short in its errors, and complete."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from cli.console import told_errors
from cli.main import COMMANDS, wanted_command
from contracts.errors import NotFound, Overloaded


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['trireme', '--help']\n"
        "from cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'confluent_kafka', 'tritonclient', 'fastapi', 'faiss', 'numpy', 'httpx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    for name in COMMANDS:
        assert name in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_sub_command_can_be_loaded(name: str) -> None:
    command = COMMANDS[name]
    module = importlib.import_module(command.module)
    assert hasattr(module, "app" if command.is_group else "run")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [(["up", "--port", "0"], "up"), (["--help"], None), ([], None), (["search", "status"], "search")],
)
def test_the_first_argument_that_names_a_command_is_wanted(arguments: list[str], wanted: str | None) -> None:
    assert wanted_command(arguments) == wanted


def test_an_error_of_ours_is_one_line_and_status_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, told_errors():
        raise NotFound("There is no document with this id.")
    assert ended.value.code == 1
    assert capsys.readouterr().err.strip() == "trireme: There is no document with this id."


def test_overload_says_when_to_try_again(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), told_errors():
        raise Overloaded("Too many searches.", retry_after_s=2.0)
    assert "Try again in 2 s." in capsys.readouterr().err


def test_an_error_of_the_program_itself_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), told_errors():
        raise ZeroDivisionError
