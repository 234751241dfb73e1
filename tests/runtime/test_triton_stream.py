"""Streams from a server that is not there."""

import numpy as np
import pytest

from contracts.errors import DependencyDown
from runtime.triton import TritonClient
from stack.ports import free_ports


async def test_a_stream_from_a_server_that_is_down_says_so() -> None:
    client = TritonClient(f"127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(DependencyDown):
        async for _ in client.stream("llama", {"max_tokens": np.array([1], np.int32)}, first_timeout_s=5.0):
            pass
    await client.close()
