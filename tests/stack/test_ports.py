"""Free ports: different from each other, really free, and out of the way of outgoing connections."""

import socket
from pathlib import Path

from stack.ports import LOOPBACK, free_ports, is_free


def test_ports_differ_and_can_be_bound() -> None:
    ports = free_ports(12)
    assert len(set(ports)) == 12
    assert all(is_free(port) for port in ports)


def test_ports_lie_below_the_kernels_own_range() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_ports(12)) < first


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        assert not is_free(listener.getsockname()[1])
