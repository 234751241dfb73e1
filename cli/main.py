"""Entry point of `trireme`: finds the sub-command that is wanted and loads its room, and no other.

`trireme --help` therefore needs no Kafka client, no Faiss and no web framework to be imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import typer

from cli.console import told_errors

MAX_NAME_PLACE = 8


@dataclass(frozen=True, slots=True)
class Command:
    """A sub-command: the module with its `run` function, or with its `app` when it has sub-commands itself."""

    module: str
    help: str
    is_group: bool = False


COMMANDS: Mapping[str, Command] = {
    "demo": Command("cli.demo", "Set up, start the stack, ingest the samples and ask questions."),
    "setup": Command("cli.setup", "Fetch what the stack needs and export the models."),
    "up": Command("cli.up", "Start the stack on this machine; Ctrl-C stops it."),
    "down": Command("cli.down", "Stop the running stack."),
    "status": Command("cli.status", "Show every process: port, memory, health, restarts."),
    "plan": Command(
        "cli.plan", "Say what so many items and searches need: memory, cores, cards, partitions, money."
    ),
    "backup": Command("cli.backup", "Take, list, verify and remove backups of a running stack.", is_group=True),
    "restore": Command("cli.restore", "Put a backup into an empty home or object store."),
    "trace": Command("cli.trace", "Print a trace as a tree with durations."),
    "ingest": Command("cli.ingest", "Put files and folders into the index."),
    "batch": Command("cli.batch", "Bring a large folder or bucket into the index with Spark.", is_group=True),
    "search": Command("cli.search", "Search with words, a picture, or both."),
    "warm": Command("cli.warm", "Ask a file of questions, so that the cache knows their answers."),
    "ask": Command("cli.ask", "Ask a question and get an answer with citations."),
    "documents": Command("cli.documents", "List, show and delete documents.", is_group=True),
    "experiment": Command("cli.experiment", "Start, watch and stop experiments on retrieval.", is_group=True),
    "dlq": Command(
        "cli.dlq", "List, show, requeue and discard dead letters: work that was given up.", is_group=True
    ),
    "models": Command("cli.models", "List, load, unload and update the models that Triton serves.", is_group=True),
    "keys": Command("cli.keys", "Make, list and revoke the keys that open gateways.", is_group=True),
    "index": Command(
        "cli.index", "Verify, rebuild, export, import and expire the index; change over to another.", is_group=True
    ),
    "distil": Command("cli.distil", "Train a small picture tower to give a large one's vectors."),
    "export": Command(
        "cli.export", "Turn checkpoints into models that Triton serves, compared with PyTorch.", is_group=True
    ),
    "eval": Command("cli.evaluate", "Measure retrieval quality on held-out queries.", is_group=True),
}


def build(wanted: str | None) -> typer.Typer:
    """The whole command line, with only the sub-command `wanted` really loaded."""
    app = typer.Typer(
        name="trireme",
        help="Multimodal search and answers over your own documents.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name, command in COMMANDS.items():
        if name != wanted:
            app.command(name, help=command.help)(_not_loaded(name))
            continue
        module = importlib.import_module(command.module)
        if command.is_group:
            app.add_typer(module.app, name=name, help=command.help, no_args_is_help=True)
        else:
            app.command(name, help=command.help)(module.run)
    return app


def wanted_command(arguments: Sequence[str]) -> str | None:
    """The first argument that names a sub-command."""
    return next((each for each in arguments[:MAX_NAME_PLACE] if each in COMMANDS), None)


def _not_loaded(name: str) -> Callable[[], None]:
    def command() -> None:
        raise AssertionError(f"'{name}' was called without having been loaded")

    return command


def main() -> None:
    """Run the command line; errors of ours end as one line and exit status 1."""
    # The supervisor forks while its probe of Triton holds a gRPC channel; its children exec at once.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    arguments = sys.argv[1:]
    wanted = wanted_command(arguments)
    with told_errors():
        if wanted is not None:
            _log_to_standard_error()
        build(wanted)(args=arguments)


def _log_to_standard_error() -> None:
    """Standard output is for results: a warning of a room must not stand in the JSON of a command."""
    # The export environment, where `trireme export` runs again, has no structlog and no room that logs.
    if importlib.util.find_spec("structlog") is None:
        return
    from runtime.telemetry import configure_logging

    configure_logging("trireme", "WARNING", json=False)


if __name__ == "__main__":
    main()
