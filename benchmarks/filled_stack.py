"""A stack to measure: one that runs already, or an embedded one of our own with samples/ ingested."""

import asyncio
import mimetypes
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from client.client import TriremeClient
from stack.embedded import EmbeddedStack
from stack.events import StackEvent, StackFailed
from stack.home import DEFAULT_HOME, StackHome
from stack.options import StackOptions
from stack.running import run_stack
from stack.state import StackState

_INGEST_TIMEOUT_S = 600.0
_UPLOADED = {".pdf", ".docx", ".png", ".jpg", ".jpeg", ".txt", ".md"}


async def with_filled_stack(samples: Path, measure: Callable[[str], Awaitable[None]]) -> None:
    """Start a stack in a temporary home, ingest a folder, call `measure` with the gateway's address, stop it.

    Raises:
        StackFailed: the stack did not start, was interrupted, or a sample could not be indexed.
    """
    await with_filled_stack_state(samples, lambda state: measure(state.gateway_url))


async def with_filled_stack_state(samples: Path, measure: Callable[[StackState], Awaitable[None]]) -> None:
    """The same, for who needs to know more of the stack than its address."""
    measured = False

    async def while_up(stack: EmbeddedStack, _stop: asyncio.Event) -> None:
        nonlocal measured
        await asyncio.to_thread(ingest_folder, stack.state.gateway_url, samples)
        await measure(stack.state)
        measured = True

    with tempfile.TemporaryDirectory(prefix="bench-", dir=_scratch()) as home:
        await run_stack(StackOptions(home=StackHome(Path(home)), port=0), _quiet, while_up)
    if not measured:
        raise StackFailed("The measurement was interrupted.")


def ingest_folder(url: str, folder: Path) -> int:
    """Upload a folder's documents (sub-folders left out) and wait until all are indexed; returns how many."""
    with TriremeClient(url, timeout_s=60) as client:
        views = []
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in _UPLOADED and path.name != "README.md":
                media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                views.append(client.upload(path.read_bytes(), path.name, content_type=media_type))
        for view in views:
            settled = client.wait(view.doc_id, timeout_s=_INGEST_TIMEOUT_S)
            if settled.state != "indexed":
                raise StackFailed(f"The sample '{settled.source}' ended as '{settled.state}': {settled.reason}")
    return len(views)


def _quiet(event: StackEvent) -> None:
    if event.kind in {"died", "given_up"}:
        print(f"{event.name}: {event.kind} {event.detail or ''}")


def _scratch() -> Path:
    folder = StackHome(DEFAULT_HOME).run
    folder.mkdir(parents=True, exist_ok=True)
    return folder
