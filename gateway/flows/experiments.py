"""Operators' view of experiments: define, start, stop, look."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from contracts.errors import InvalidInput, NotFound
from contracts.experiment_life import ended, put, started
from contracts.experiments import Experiment
from contracts.experiments_view import ExperimentList, ExperimentView
from gateway.core.clock import Clock
from gateway.core.experiment_book import ExperimentBook
from gateway.flows.experiment_ports import ExperimentBooks

GenerationCheck = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Experiments:
    """What the routes about experiments do.

    Args:
        has_distilled: whether the space that is searched now has distilled models.
        generation: raises DependencyDown for the name of a generation that cannot be searched.
        new_salt: makes what is mixed into the hashes of units.
    """

    log: ExperimentBooks
    clock: Clock
    has_distilled: Callable[[], bool]
    generation: GenerationCheck
    new_salt: Callable[[], str]

    async def list(self) -> ExperimentList:
        """All experiments, running ones first."""
        return await asyncio.to_thread(
            self.log.look, lambda book, complete: ExperimentList(book.views(complete=complete))
        )

    async def show(self, name: str) -> ExperimentView:
        """One experiment with its intervals over time and its audit log. Raises NotFound."""
        return await asyncio.to_thread(self.log.look, lambda book, complete: book.view(name, complete=complete))

    async def put(self, wanted: Experiment, *, by: str, why: str, version: int | None) -> ExperimentView:
        """Define an experiment, or change the weights of a running one.

        Args:
            wanted: its salt is replaced by the one it has, or by a new one.

        Raises:
            InvalidInput, Conflict: see `contracts.experiment_life.put`.
        """

        def decide(book: ExperimentBook) -> Experiment:
            known = book.last(wanted.name)
            salted = msgspec.structs.replace(wanted, salt=known.salt if known else self.new_salt())
            return put(known, salted, by=by, at_ms=self.clock.unix_ms(), why=why, version=version)

        return await self._write(wanted.name, decide)

    async def start(self, name: str, *, by: str, why: str) -> ExperimentView:
        """Start an experiment, with numbers from zero.

        Raises:
            NotFound; Conflict: it runs, or another one changes the same; DependencyDown: a generation is away.
            InvalidInput: it is about distilled models, and there are none.
        """

        def decide(book: ExperimentBook) -> Experiment:
            known = _known(book, name)
            running = [one for one in book.offered if one.state == "running"]
            return started(known, running, by=by, at_ms=self.clock.unix_ms(), why=why)

        self._check_variants(await asyncio.to_thread(self.log.look, lambda book, _: _known(book, name)))
        return await self._write(name, decide)

    async def stop(self, name: str, *, by: str, why: str) -> ExperimentView:
        """Stop a running experiment; its numbers stay. Raises NotFound, Conflict."""
        return await self._write(
            name, lambda book: ended(_known(book, name), "stopped", by=by, at_ms=self.clock.unix_ms(), why=why)
        )

    async def _write(self, name: str, decide: Callable[[ExperimentBook], Experiment]) -> ExperimentView:
        await asyncio.to_thread(self.log.write, decide)
        return await self.show(name)

    def _check_variants(self, experiment: Experiment) -> None:
        for variant in experiment.variants:
            if variant.changes.generation is not None:
                self.generation(variant.changes.generation)
            if variant.changes.encoder == "distilled" and not self.has_distilled():
                raise InvalidInput(
                    "There are no distilled models in the space that is searched.", param="variants"
                )


def _known(book: ExperimentBook, name: str) -> Experiment:
    known = book.last(name)
    if known is None:
        raise NotFound(f"There is no experiment '{name}'.")
    return known
