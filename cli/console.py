"""How every sub-command talks: rich text for people, JSON for programs, one line for an error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from contracts.errors import Overloaded, TriremeError

# Tables in a file or a pipe would be squeezed into 80 columns.
_PIPE_COLUMNS = 140

out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
err = Console(stderr=True, highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
UrlOption = Annotated[
    str | None, typer.Option("--url", help="Address of a gateway; the stack running here by default.")
]


@contextmanager
def told_errors() -> Iterator[None]:
    """Turn errors of the tree into one line on standard error and exit status 1; Ctrl-C into status 130."""
    try:
        yield
    except TriremeError as error:
        again = f" Try again in {error.retry_after_s:.0f} s." if isinstance(error, Overloaded) else ""
        err.print(f"[bold red]trireme:[/] {escape(error.message)}{again}")
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output has gone; writing what is buffered would fail again.
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def print_json(value: Any) -> None:
    """Print dataclasses, structs or plain data as indented JSON."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.flush()


def is_interactive() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()
