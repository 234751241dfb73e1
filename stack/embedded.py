"""The whole of Trireme on one machine: starts it in a home, keeps its state file, stops it.

What the processes are is said in `stack.embedded_servers` and `stack.embedded_services`; the supervisor runs them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import replace

import msgspec

from contracts.errors import NotFound, TriremeError
from contracts.generations import Generation, serving_of
from runtime.generations import GenerationReader
from runtime.space_files import SpaceBook
from stack.bootstrap import DataSpace, claim_data, first_generation, refuse_without_models, settle
from stack.embedded_servers import EmbeddedServers
from stack.embedded_services import EmbeddedServices
from stack.events import EventSink, SetupStep, StackEvent
from stack.first_search import search_until_complete
from stack.generations.keeper import GenerationKeeper, remembered
from stack.home import StackHome
from stack.layout import BOOTSTRAP, FIRST_SEARCH, KAFKA, TRITON, StackPorts, choose_ports
from stack.mock_broker import mock_address, mock_spec
from stack.options import StackOptions, choose_gateway_port
from stack.process import ProcessSpec
from stack.scrape_targets import TARGETS_FILE, write_targets
from stack.servers.triton import TritonPorts, remove_shared_memory
from stack.state import StackPhase, StackState, last_state, write_state
from stack.supervisor import Supervisor

MOCK_DATA = "data-mock"
GENERATIONS_TIMEOUT_S = 5.0


class EmbeddedStack:
    """One stack in one home: `await start()`, then `await stop()`, always, also when `start` failed.

    Args:
        on_event: called at every change of a process or step, on the event loop; must not block.
    """

    def __init__(self, options: StackOptions, on_event: EventSink) -> None:
        self._options = options
        self._on_event = on_event
        mock = options.broker_kind == "mock"
        self._home: StackHome = replace(options.home, data_name=MOCK_DATA) if mock else options.home
        self._supervisor = Supervisor(self._home.logs, self._changed)
        self._held = contextlib.ExitStack()
        self._state: StackState | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def state(self) -> StackState:
        """The stack as it is now.

        Raises:
            NotFound: it was not started.
        """
        if self._state is None:
            raise NotFound("The stack was not started.")
        return msgspec.structs.replace(self._state, processes=self._supervisor.views())

    async def start(self) -> None:
        """Start everything and return when all processes are ready.

        Raises:
            Conflict: another stack uses this home, the port is taken, or the data belongs to another space.
            ConfigurationError: the set-up has not been done. InvalidInput: no model knows the device.
            StackFailed: a process does not come up.
        """
        options, home = self._options, self._home
        spaces = SpaceBook(options.model_repository)
        owned = DataSpace(space_id=spaces.first.space_id, n_shards=options.n_shards)
        self._held.enter_context(home.locked())
        if options.reset or options.broker_kind == "mock":
            home.reset()
        home.create()
        self._clear_last_run()
        claim_data(home.data, owned)
        ports = choose_ports(options.n_shards, choose_gateway_port(options.port))
        generations = remembered(home.data) or (first_generation(owned),)
        refuse_without_models(generations, spaces.all())
        self._state = self._first_state(serving_of(generations) or first_generation(owned), ports)
        servers = EmbeddedServers(home, options.model_repository, ports, options.device)
        specs, steps = await asyncio.to_thread(self._servers, servers)
        bootstrap = await self._broker_address(ports, owned)
        self._set("starting", kafka_bootstrap=bootstrap)
        services = EmbeddedServices(options, home, ports, owned, bootstrap)
        steps.append(self._bootstrap_step(owned, bootstrap, after=[s.name for s in specs if s.name == KAFKA]))
        index = {generation.name: services.index_specs(generation) for generation in generations}
        specs += [*(spec for own in index.values() for spec in own), *services.specs()]
        steps.append(self._first_search_step(ports, after=[spec.name for spec in specs]))
        await self._supervisor.start(specs, steps)
        self._set("ready")
        if options.broker_kind != "mock":
            running = {name: [spec.name for spec in own] for name, own in index.items()}
            self._keeping = asyncio.create_task(self._keep_generations(services, spaces, running, bootstrap))

    async def stop(self) -> None:
        """Stop all processes in the reverse order and give the home back."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._state is not None:
            self._set("stopping")
            await self._supervisor.stop()
            self._home.state_file.unlink(missing_ok=True)
        self._held.close()

    def _clear_last_run(self) -> None:
        """What a stack left behind that was killed: its state file, and its Triton's shared memory."""
        with contextlib.suppress(TriremeError):
            left = last_state(self._home)
            if left is not None:
                ports = left.process(TRITON).ports
                remove_shared_memory(TritonPorts(http=ports["http"], grpc=ports["grpc"], metrics=ports["metrics"]))
        self._home.state_file.unlink(missing_ok=True)

    def _servers(self, servers: EmbeddedServers) -> tuple[list[ProcessSpec], list[SetupStep]]:
        specs, steps = [servers.triton(), servers.redis()], []
        if self._options.broker_kind == "kafka":
            kafka, format_step = servers.kafka()
            specs.insert(1, kafka)
            steps.append(format_step)
        return specs, steps

    async def _broker_address(self, ports: StackPorts, owned: DataSpace) -> str:
        match self._options.broker_kind:
            case "external":
                return self._options.broker
            case "kafka":
                return ports.kafka_address
            case "mock":
                spec = mock_spec(self._home.run, owned.generation, owned.n_shards)
                await self._supervisor.start([spec])
                return mock_address(self._home.run)

    def _bootstrap_step(self, owned: DataSpace, bootstrap: str, *, after: list[str]) -> SetupStep:
        async def run() -> None:
            await asyncio.to_thread(asyncio.run, settle(bootstrap, f"file://{self._home.objects}", owned))

        return SetupStep(BOOTSTRAP, run, depends_on=tuple(after))

    def _first_search_step(self, ports: StackPorts, *, after: list[str]) -> SetupStep:
        async def run() -> None:
            await asyncio.to_thread(search_until_complete, ports.gateway_url)

        return SetupStep(FIRST_SEARCH, run, depends_on=tuple(after))

    async def _keep_generations(
        self, services: EmbeddedServices, spaces: SpaceBook, running: dict[str, list[str]], bootstrap: str
    ) -> None:
        keeper = GenerationKeeper(
            self._supervisor,
            self._home.data,
            spaces.all,
            running,
            specs_of=services.index_specs,
            snapshots_of=services.snapshots,
            on_serving=self._serves,
        )
        # Not closed here: at the end a thread may still be reading, and the process ends with it.
        reader = GenerationReader(bootstrap, "stack-generations")
        await keeper.run(lambda: reader.read(timeout_s=GENERATIONS_TIMEOUT_S))

    def _serves(self, generation: Generation) -> None:
        assert self._state is not None
        if generation.name != self._state.generation:
            self._state = msgspec.structs.replace(
                self._state,
                generation=generation.name,
                space_id=generation.space_id,
                n_shards=generation.n_shards,
            )
            self._tell_others()

    def _first_state(self, serving: Generation, ports: StackPorts) -> StackState:
        return StackState(
            supervisor_pid=os.getpid(),
            phase="starting",
            started_ms=time.time_ns() // 1_000_000,
            gateway_url=ports.gateway_url,
            kafka_bootstrap="",
            broker=self._options.broker_kind,
            object_store_url=f"file://{self._home.objects}",
            generation=serving.name,
            space_id=serving.space_id,
            n_shards=serving.n_shards,
        )

    def _set(self, phase: StackPhase, *, kafka_bootstrap: str | None = None) -> None:
        assert self._state is not None
        known = self._state.kafka_bootstrap if kafka_bootstrap is None else kafka_bootstrap
        self._state = msgspec.structs.replace(self._state, phase=phase, kafka_bootstrap=known)
        self._tell_others()

    def _tell_others(self) -> None:
        write_state(self._home.state_file, self.state)
        write_targets(self._home.run / TARGETS_FILE, self.state)

    def _changed(self, event: StackEvent) -> None:
        self._tell_others()
        self._on_event(event)
