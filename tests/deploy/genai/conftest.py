"""A tiny Llama, exported in the export environment and served by a real Triton."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.tensors import LLAMA, LLAMA_SPEC
from runtime.triton import TritonClient
from stack.ports import free_ports
from stack.process import ProcessSpec
from stack.servers.triton import TritonPorts, assemble_backends, triton_spec
from tests.stack.servers.conftest import PATHS, becomes_ready, last_words, started

RESPONSE_TIMEOUT_S = 20.0
SLOTS = 4
WAITING = 12
# Longer than any test waits: an answer of this length ends only when its reader leaves.
ENDLESS = 12_000
DTYPES = {"BYTES": np.object_, "INT32": np.int32, "INT64": np.int64, "FP32": np.float32}


@dataclass(frozen=True)
class Reference:
    """What transformers answers, greedily."""

    messages: list[dict[str, str]]
    prompt: list[int]
    answer: list[int]


@dataclass(frozen=True)
class LlamaServer:
    """A server with the tiny model alone."""

    spec: ProcessSpec
    references: tuple[Reference, ...]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.spec.ports['grpc']}"

    @property
    def ports(self) -> TritonPorts:
        return TritonPorts(**self.spec.ports)


class Llama:
    """Asks the served model, with the client that the gateway uses."""

    def __init__(self, client: TritonClient) -> None:
        self.client = client

    def stream(self, **asked: Any) -> Any:
        """Responses to what is asked; arguments are named as the tensors."""
        return self.client.stream(LLAMA, tensors(**asked), first_timeout_s=RESPONSE_TIMEOUT_S)

    async def whole(self, **asked: Any) -> tuple[list[int], str, str]:
        """Tokens, text and finish reason of a whole answer."""
        ids: list[int] = []
        text, reason = b"", b""
        async for response in self.stream(**asked):
            ids += response["token_ids"].tolist()
            text += response["delta"][0]
            reason = response["finish_reason"][0]
            assert int(response["completion_tokens"][0]) == len(ids)
        return ids, text.decode(), reason.decode()


def tensors(**asked: Any) -> Mapping[str, NDArray[Any]]:
    """Python values as the tensors of the contract."""
    specs = {spec.name: spec for spec in LLAMA_SPEC.inputs}
    made = {}
    for name, value in asked.items():
        if name == "messages":
            value = json.dumps(value)
        values = [
            each.encode() if isinstance(each, str) else each
            for each in (value if isinstance(value, list) else [value])
        ]
        made[name] = np.array(values, dtype=DTYPES[specs[name].dtype])
    return made


def configured_with(config: str, **parameters: int) -> str:
    """A config.pbtxt with other values for some of its parameters."""
    for name, value in parameters.items():
        before, after = config.split(f'key: "{name}" value {{ string_value: "')
        config = f'{before}key: "{name}" value {{ string_value: "{value}"' + after[after.index('"') + 1 :]
    return config


@pytest.fixture(scope="session", params=["turns", "engine"])
def llama_server(
    exports: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[LlamaServer]:
    """The tiny model on a real Triton with few slots, a short queue and one thread.

    Once by turns, and once by the library's Engine with the model that is exported for it.
    """
    folder = tmp_path_factory.mktemp(f"llama-{request.param}")
    exported = exports / {"turns": "repository", "engine": "paged"}[request.param] / LLAMA
    shutil.copytree(exported, folder / "repository" / LLAMA)
    config = configured_with(
        (PATHS.repository / LLAMA / "config.pbtxt").read_text(),
        slots=SLOTS,
        max_queue_size=WAITING,
        max_tokens=ENDLESS,
        intra_op_thread_count=1,
    )
    config += f'parameters {{ key: "batching" value {{ string_value: "{request.param}" }} }}'
    (folder / "repository" / LLAMA / "config.pbtxt").write_text(config)
    spec = triton_spec(
        environment=PATHS.serving,
        repository=folder / "repository",
        backends=assemble_backends(PATHS.serving, PATHS.own_backends, folder / "backends"),
        run_dir=folder,
        ports=TritonPorts(*free_ports(3)),
    )
    references = json.loads((exports / "answers.json").read_text())
    with started(spec, folder / "log") as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(folder / "log")
        yield LlamaServer(spec, tuple(Reference(**each) for each in references))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def llama(llama_server: LlamaServer) -> AsyncIterator[Llama]:
    client = TritonClient(llama_server.address)
    yield Llama(client)
    await client.close()
