"""Runs a program to its end within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended and what it said."""

    status: int
    output: str
    errors: str

    def last_words(self, most: int = 300) -> str:
        """The end of what it said, for an error's message."""
        return " ".join((self.errors.strip() or self.output.strip())[-most:].split())


async def run_program(command: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Finished:
    """Run it, and kill it when the time is over or the caller is cancelled.

    Raises:
        DeadlineExceeded: it took longer than `timeout_s`.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError as exc:
        raise DeadlineExceeded(f"{command[0].rpartition('/')[2]} took longer than {timeout_s:.0f} s.") from exc
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
                await process.wait()
    return Finished(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))
