import pytest

from contracts.errors import DependencyDown, DocumentFailed
from ingest.patience import Patience


class Outage:
    """A service that is away for some time on a clock that only moves when somebody sleeps."""

    def __init__(self, lasts_s: float) -> None:
        self.now_s = 0.0
        self.calls = 0
        self._lasts_s = lasts_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def call(self) -> str:
        self.calls += 1
        if self.now_s < self._lasts_s:
            raise DependencyDown("triton")
        return "answer"


def patience(outage: Outage, budget_s: float) -> Patience:
    return Patience(budget_s=budget_s, clock=lambda: outage.now_s, sleep=outage.sleep)


async def test_an_outage_shorter_than_the_budget_is_sat_out() -> None:
    outage = Outage(3.0)
    assert await patience(outage, 5.0)(outage.call) == "answer"
    assert outage.now_s < 5.0


async def test_a_longer_outage_is_handed_on_within_the_budget() -> None:
    outage = Outage(60.0)
    with pytest.raises(DependencyDown):
        await patience(outage, 5.0)(outage.call)
    assert 3.0 < outage.now_s <= 5.0


async def test_without_a_budget_there_is_one_try() -> None:
    outage = Outage(1.0)
    with pytest.raises(DependencyDown):
        await patience(outage, 0.0)(outage.call)
    assert outage.calls == 1


async def test_a_documents_own_failure_is_not_repeated() -> None:
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        raise DocumentFailed("corrupt", "Damaged.")

    with pytest.raises(DocumentFailed):
        await Patience()(call)
    assert calls == 1
