"""The reading process: `python -m ingest.extraction.child PARENT_PID`, requests on stdin, replies on stdout.

Whatever a document does here, it does to this process alone. It ends with its parent: by the end of its input,
and, in the middle of a document, by the kernel's parent-death signal.
"""

import sys
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from contracts.errors import ConfigurationError, DocumentFailed
from ingest.extraction.readers import read
from ingest.extraction.wire import (
    HEADER,
    SPARE_BYTES,
    Failed,
    Finished,
    PictureFound,
    Reply,
    Request,
    Started,
    frame,
    read_request,
)
from runtime.confinement import end_with_parent, limit_memory, private_pipes
from runtime.tracebacks import traceback_of


def main(parent_pid: int) -> None:
    """Answer requests until the input ends."""
    end_with_parent(parent_pid)
    requests, replies = private_pipes()
    replies.write(frame(Started()))
    replies.flush()
    while (request := _next_request(requests)) is not None:
        limit_memory(request.limits.memory_bytes)
        for answer in _within(request.limits.max_output_bytes, _answer(request)):
            replies.write(answer)
            replies.flush()


def _answer(request: Request) -> Iterator[Reply]:
    try:
        yield from read(request)
    except DocumentFailed as exc:
        yield Failed(cause=exc.cause, reason=exc.message)
    except ConfigurationError as exc:
        yield Failed(cause=exc.code, reason=exc.message)
    except MemoryError:
        yield Failed(cause="too_much_memory", reason="Reading the document needs more memory than is allowed.")
    except Exception as exc:  # noqa: BLE001 - the outermost loop of a process
        reason = "The document is damaged in a way that its reader does not understand."
        yield Failed(cause="corrupt", reason=reason, detail=traceback_of(exc, frames=4))


def _within(limit_bytes: int, answer: Iterator[Reply]) -> Iterator[bytes]:
    """Frames of an answer that its receiver takes, of `limit_bytes` at most; pictures beyond them are left out."""
    sent = left_out = 0
    for reply in answer:
        if isinstance(reply, Finished) and left_out:
            reply = msgspec.structs.replace(reply, left_out=reply.left_out + left_out)
        data = frame(reply)
        fits = sent + len(data) <= limit_bytes - SPARE_BYTES
        if isinstance(reply, PictureFound) and (left_out or not fits):
            left_out += 1
            continue
        if isinstance(reply, Finished) and not fits:
            limit = f"{limit_bytes / 1e6:g} MB"
            data = frame(
                Failed(cause="too_much_text", reason=f"The document's text and its places exceed {limit}.")
            )
        sent += len(data)
        yield data


def _next_request(requests: BinaryIO) -> Request | None:
    header = requests.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (size,) = HEADER.unpack(header)
    body = requests.read(size)
    return read_request(body) if len(body) == size else None


if __name__ == "__main__":
    main(int(sys.argv[1]))
