"""The reading process: `python -m ingest.extraction.child PARENT_PID`, requests on stdin, replies on stdout.

Whatever a document does here, it does to this process alone. It ends with its parent: by the end of its input,
and, in the middle of a document, by the kernel's parent-death signal.
"""

import ctypes
import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from typing import BinaryIO

from contracts.errors import ConfigurationError, DocumentFailed
from ingest.extraction.readers import read
from ingest.extraction.wire import HEADER, Failed, Reply, Request, Started, frame, read_request

PR_SET_PDEATHSIG = 1


def main(parent_pid: int) -> None:
    """Answer requests until the input ends."""
    _end_with_parent(parent_pid)
    requests, replies = _private_pipes()
    _send(replies, Started())
    while (request := _next_request(requests)) is not None:
        _limit_memory(request.limits.memory_bytes)
        for reply in _answer(request):
            _send(replies, reply)


def _answer(request: Request) -> Iterator[Reply]:
    try:
        yield from read(request)
    except DocumentFailed as exc:
        yield Failed(cause=exc.cause, reason=exc.message)
    except ConfigurationError as exc:
        yield Failed(cause=exc.code, reason=exc.message)
    except MemoryError:
        yield Failed(cause="too_much_memory", reason="Reading the document needs more memory than is allowed.")
    except Exception:  # noqa: BLE001 - the outermost loop of a process
        reason = "The document is damaged in a way that its reader does not understand."
        yield Failed(cause="corrupt", reason=reason, detail=traceback.format_exc(limit=-4))


def _end_with_parent(parent_pid: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before we asked for its death to be told
        sys.exit(0)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Our ends of both pipes under other numbers, so that nothing that a library prints gets into the replies."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


def _limit_memory(limit_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > limit_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, hard))


def _next_request(requests: BinaryIO) -> Request | None:
    header = requests.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (size,) = HEADER.unpack(header)
    body = requests.read(size)
    return read_request(body) if len(body) == size else None


def _send(replies: BinaryIO, reply: Reply) -> None:
    replies.write(frame(reply))
    replies.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
