"""The last step of a start: searches until one is answered by every shard.

Each process can be ready while its first request still waits for connections to be made and code to be loaded,
longer than a search may take. Whoever is told "ready" shall not be the one who finds out.
"""

from __future__ import annotations

import io
import time

from PIL import Image

from client.client import TriremeClient
from contracts.errors import TriremeError
from stack.events import StackFailed

TIMEOUT_S = 30.0
PAUSE_S = 0.1
REQUEST_TIMEOUT_S = 5.0


def search_until_complete(url: str) -> None:
    """Ask with words and with a picture until both are answered by all shards.

    Raises:
        StackFailed: not within `TIMEOUT_S`.
    """
    deadline = time.monotonic() + TIMEOUT_S
    picture = _picture()
    with TriremeClient(url, timeout_s=REQUEST_TIMEOUT_S) as client:
        while not (_is_complete(client, "a first question", None) and _is_complete(client, None, picture)):
            if time.monotonic() > deadline:
                raise StackFailed(f"All processes run, but no search was complete within {TIMEOUT_S:.0f} s.")
            time.sleep(PAUSE_S)


def _is_complete(client: TriremeClient, words: str | None, picture: bytes | None) -> bool:
    """Whether the index itself answered, with everything; more hits than are cached are asked for."""
    try:
        response = client.search(words, image=picture, k=20)
    except TriremeError:
        return False
    return response.coverage.answered == response.coverage.of and not response.degraded


def _picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 200)).save(data, "PNG")
    return data.getvalue()
