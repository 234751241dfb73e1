"""Tells the supervisor whether the models that should answer do, and brings one back whose process has died.

The server does not do that itself: a Python model's process that was killed stays away, and both health endpoints
still say that all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from contracts.errors import TriremeError
from stack.servers.triton_control import IndexedModel, ModelControl, model_control
from stack.servers.triton_probe import probe_models


class ModelWatch:
    """Watches one embedded server.

    What somebody loaded by hand is watched like the rest, and what somebody unloaded by hand is left alone, until
    the server itself starts again with `models`.

    Args:
        models: those that the server was started with.
        wanted: names, at every look, of models that came later and are needed since; after a start of the server
            they are loaded.
    """

    def __init__(self, address: str, models: Sequence[str], wanted: Callable[[], Collection[str]] = tuple) -> None:
        self._address = address
        self._models = tuple(models)
        self._wanted = wanted
        self._reloading: set[str] = set()

    async def all_answer(self) -> bool:
        """Probe every model that should answer; reload those whose process has died. Never raises.

        Says no in the round that finds a dead one; the next tells whether the reload helped.
        """
        try:
            async with model_control(self._address) as control:
                index = await control.index()
                for model in missing_models(index, self._wanted()):
                    await control.load(model)
                expected = expected_models(index, self._models)
                health = await probe_models(self._address, expected)
                self._reloading.update(health.dead)
                if not self._reloading:
                    return not health.failed
                for model in sorted(self._reloading):
                    await self._reload(control, model)
        except TriremeError:
            pass
        return False

    async def _reload(self, control: ModelControl, model: str) -> None:
        """Unload and load: only then does a dead model get a new process."""
        await control.unload(model, wait=False)
        await control.load(model)
        self._reloading.discard(model)


def missing_models(index: Mapping[str, IndexedModel], wanted: Iterable[str]) -> list[str]:
    """Models that are wanted and that the server has never tried to load, sorted."""
    return sorted(name for name in wanted if name in index and not index[name].versions)


def expected_models(index: Mapping[str, IndexedModel], started_with: Sequence[str]) -> list[str]:
    """Models that should answer now, sorted.

    All that serve; and of those that the server was started with, each that is neither on its way in or out nor
    was unloaded on request: it failed to load.
    """
    serving = {model.name for model in index.values() if model.serving is not None}
    known = {name: index.get(name, IndexedModel(name)) for name in started_with}
    failed = {name for name, model in known.items() if not model.is_moving and not model.is_away_on_request}
    return sorted(serving | failed)
