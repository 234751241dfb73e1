"""A Triton of its own for a file's tests of `trireme models`."""

from tests.stack.servers.conftest import own_triton

__all__ = ["own_triton"]
