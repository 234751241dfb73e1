"""Free ports on the loopback address."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import ExitStack
from pathlib import Path

from contracts.errors import Conflict

LOOPBACK = "127.0.0.1"
_LOWEST = 15_000
_LINUX_DEFAULT_EPHEMERAL = 32_768
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> tuple[int, ...]:
    """Return `count` different TCP ports that are free on 127.0.0.1 now.

    They lie below the range from which the kernel takes source ports for outgoing connections. A server that is
    restarted on its port would otherwise now and then find it taken by a connection of its neighbours.

    All are held at once before any is given back, so they differ. Another process can take one before its
    server binds it; the server then fails to start and the supervisor's restart is the way out.
    """
    candidates = random.SystemRandom().sample(range(_LOWEST, _first_ephemeral()), k=min(2000, 100 + 20 * count))
    found: list[int] = []
    with ExitStack() as held:
        for port in candidates:
            if len(found) == count:
                break
            listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            if _binds(listener, port):
                found.append(port)
    if len(found) < count:
        raise Conflict("There are not enough free ports on 127.0.0.1.")
    return tuple(found)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # As servers do: connections of a server that has just ended do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _binds(listener, port)


def _binds(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind((LOOPBACK, port))
    except OSError as exc:
        if exc.errno in {errno.EADDRINUSE, errno.EACCES}:
            return False
        raise
    return True


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = _LINUX_DEFAULT_EPHEMERAL
    return first if first > _LOWEST + 2000 else _LINUX_DEFAULT_EPHEMERAL
