"""Explicit model control of one Triton server over gRPC: what it has, loading, unloading.

Loading runs the code of the repository's files: whoever may load, may run programs there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed, InvalidInput, NotFound

INDEX_TIMEOUT_S = 5.0
# A language model is read from disk and warmed up; an engine of TensorRT is built.
LOAD_TIMEOUT_S = 600.0
UNLOAD_TIMEOUT_S = 60.0
UNLOAD_PAUSE_S = 0.1
# Triton's word for a model that was taken away on request, and not by a failure.
ON_REQUEST = "unloaded"
ADMIN_HEADER = "triton-grpc-protocol-trireme-admin"
"""Where a server wants the key of `--grpc-restricted-protocol=...:trireme-admin=KEY`, as in docker-compose.yml."""


@dataclass(frozen=True, slots=True)
class VersionState:
    """One version of a model in the server.

    Args:
        state: READY, LOADING, UNLOADING or UNAVAILABLE.
        reason: why it is unavailable.
    """

    version: int
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class IndexedModel:
    """A model of the repository; `versions` are those that the server has loaded, or tried to, newest last."""

    name: str
    versions: tuple[VersionState, ...] = ()

    @property
    def serving(self) -> int | None:
        """The version that answers requests: the newest that is ready."""
        return max((each.version for each in self.versions if each.state == "READY"), default=None)

    @property
    def is_moving(self) -> bool:
        """Whether it is being loaded or unloaded."""
        return any(each.state in {"LOADING", "UNLOADING"} for each in self.versions)

    @property
    def is_away_on_request(self) -> bool:
        """Whether somebody unloaded it."""
        return self.serving is None and any(each.reason == ON_REQUEST for each in self.versions)


class ModelControl:
    """Loads and unloads models of the server at `address`; made by `model_control`."""

    def __init__(self, client: triton.InferenceServerClient, address: str, admin_key: str | None) -> None:
        self._client = client
        self._address = address
        self._headers = {ADMIN_HEADER: admin_key} if admin_key else None

    async def index(self) -> Mapping[str, IndexedModel]:
        """Every model of the repository by name, loaded or not.

        Raises:
            DependencyDown, DeadlineExceeded: no answer. InvalidInput: the server wants a key, or another one.
        """
        with self._told():
            found = await self._client.get_model_repository_index(
                headers=self._headers, client_timeout=INDEX_TIMEOUT_S
            )
        versions: dict[str, list[VersionState]] = {}
        for each in found.models:
            states = versions.setdefault(each.name, [])
            if each.version:
                states.append(VersionState(int(each.version), each.state, each.reason))
        return {
            name: IndexedModel(name, tuple(sorted(states, key=lambda state: state.version)))
            for name, states in sorted(versions.items())
        }

    async def find(self, model: str) -> IndexedModel:
        """One model of the repository.

        Raises:
            NotFound: with the names that there are; and as `index`.
        """
        index = await self.index()
        if model not in index:
            raise NotFound(f"The server's repository has no model '{model}'; it has {', '.join(index) or 'none'}.")
        return index[model]

    async def load(self, model: str) -> IndexedModel:
        """Load the newest version on disk; the one that serves goes on until the new one is ready, then ends.

        A version that is loaded already stays as it is. A failure changes nothing of what is served.

        Raises:
            NotFound: no such model. DependencyFailed: it cannot be loaded; has Triton's reason. And as `index`.
        """
        await self.find(model)
        with self._told(f"Triton could not load '{model}'"):
            await self._client.load_model(model, headers=self._headers, client_timeout=LOAD_TIMEOUT_S)
        return await self.find(model)

    async def unload(self, model: str, *, wait: bool = True) -> IndexedModel:
        """Take a model away.

        Args:
            wait: return when requests under way have ended and its memory is free. A model whose process was
                killed never gets there.

        Raises:
            NotFound: no such model. DeadlineExceeded: it is ending still after `UNLOAD_TIMEOUT_S`.
            And as `index`.
        """
        found = await self.find(model)
        with self._told(f"Triton could not unload '{model}'"):
            await self._client.unload_model(model, headers=self._headers, client_timeout=UNLOAD_TIMEOUT_S)
            async with asyncio.timeout(UNLOAD_TIMEOUT_S):
                while wait:
                    found = await self.find(model)
                    if not found.is_moving:
                        break
                    await asyncio.sleep(UNLOAD_PAUSE_S)
        return found

    @contextmanager
    def _told(self, failed: str = "Triton refused the request") -> Iterator[None]:
        """Triton's errors as ours; the wording goes to an operator, who has use for Triton's own reason."""
        try:
            yield
        except TimeoutError as exc:
            raise DeadlineExceeded(f"Triton at {self._address} did not finish in time.") from exc
        except InferenceServerException as exc:
            status, text = str(exc.status() or ""), str(exc.message() or "").strip()
            if "is restricted" in text:
                raise InvalidInput(
                    "This server lets only those load models who bring its key: --admin-key."
                ) from exc
            if "DEADLINE_EXCEEDED" in status:
                raise DeadlineExceeded(f"Triton at {self._address} did not finish in time.") from exc
            if "UNAVAILABLE" in status:
                raise DependencyDown("triton", f"There is no Triton at {self._address}.") from exc
            raise DependencyFailed("triton", f"{failed}: {first_line(text)}") from exc


@asynccontextmanager
async def model_control(address: str, *, admin_key: str | None = None) -> AsyncIterator[ModelControl]:
    """Control of the server whose gRPC door is at `address`, host:port.

    Args:
        admin_key: what a server with restricted protocols asks for.
    """
    async with triton.InferenceServerClient(address) as client:
        yield ModelControl(client, address, admin_key)


def first_line(reason: str) -> str:
    """Triton's reason without the traceback of a Python backend that follows it."""
    line = next((line.strip() for line in reason.splitlines() if line.strip()), "no reason given")
    return line.rstrip(";")
