import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import DependencyDown, Overloaded, RequestRefused
from contracts.tensors import PRIORITY_BULK, PRIORITY_UPLOAD
from ingest.embedding.shared_batches import Pace, SharedBatches
from tests.ingest.embedding.models import TRACE, Model, Noted
from tests.ingest.harness import eventually
from tests.ingest.samples import TEXT_DIM, vector


class Pauses:
    """A sleep that the test ends."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.over = asyncio.Event()

    async def __call__(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        await self.over.wait()


def asker(
    model: Model,
    pace: Pace,
    watcher: Noted | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Callable[..., "asyncio.Task[bytes]"]:
    """Asks for a word's vector without waiting for it."""
    batches = SharedBatches(model, pace, watcher or Noted(), sleep=sleep)

    def ask(word: str, priority: int = PRIORITY_UPLOAD) -> "asyncio.Task[bytes]":
        return asyncio.ensure_future(batches.vector(word.encode(), word, priority=priority, trace=TRACE))

    return ask


def bytes_of(word: str) -> bytes:
    return vector(word, TEXT_DIM).tobytes()


async def test_rows_that_wait_together_make_one_call_whoever_asked() -> None:
    model, watcher = Model(), Noted()
    model.gate.clear()
    ask = asker(model, Pace(rows=64, bulk_rows=64, calls=1), watcher)
    first = ask("first")
    await eventually(lambda: model.under_way == 1)
    others = [ask(f"word {i}") for i in range(70)]
    await asyncio.sleep(0)
    model.gate.set()
    assert await first == bytes_of("first")
    assert await asyncio.gather(*others) == [bytes_of(f"word {i}") for i in range(70)]
    assert watcher.calls == [1, 64, 6]


async def test_the_same_row_asked_for_twice_is_sent_once() -> None:
    model = Model()
    ask = asker(model, Pace(rows=8, bulk_rows=8))
    tasks = [ask(word) for word in ("logo", "logo", "else", "logo")]
    assert await asyncio.gather(*tasks) == [bytes_of(word) for word in ("logo", "logo", "else", "logo")]
    assert sorted(model.rows) == ["else", "logo"]


async def test_an_upload_passes_a_backfill_and_shares_no_call_with_it() -> None:
    model = Model()
    model.gate.clear()
    ask = asker(model, Pace(rows=4, bulk_rows=2, calls=1))
    bulk = [ask(f"old {i}", PRIORITY_BULK) for i in range(5)]
    await eventually(lambda: model.under_way == 1)
    upload = ask("mine")
    await asyncio.sleep(0)
    model.gate.set()
    await asyncio.gather(upload, *bulk)
    assert model.calls == [
        (["old 0", "old 1"], PRIORITY_BULK),
        (["mine"], PRIORITY_UPLOAD),
        (["old 2", "old 3"], PRIORITY_BULK),
        (["old 4"], PRIORITY_BULK),
    ]


async def test_a_backfills_row_that_an_upload_needs_too_takes_the_uploads_place() -> None:
    model = Model()
    model.gate.clear()
    ask = asker(model, Pace(rows=1, bulk_rows=1, calls=1))
    tasks = [ask(word, PRIORITY_BULK) for word in ("a", "b", "logo")]
    await eventually(lambda: model.under_way == 1)
    tasks.append(ask("logo"))
    await asyncio.sleep(0)
    model.gate.set()
    await asyncio.gather(*tasks)
    assert model.rows == ["a", "logo", "b"]


async def test_backfills_leave_one_call_free() -> None:
    model = Model()
    model.gate.clear()
    ask = asker(model, Pace(rows=1, bulk_rows=1, calls=2))
    bulk = [ask(f"old {i}", PRIORITY_BULK) for i in range(3)]
    await eventually(lambda: model.under_way == 1)
    upload = ask("mine")
    await eventually(lambda: model.under_way == 2)
    assert model.rows == ["old 0", "mine"]
    model.gate.set()
    await asyncio.gather(upload, *bulk)


async def test_a_full_queue_is_waited_out_with_fewer_calls_and_no_row_is_lost() -> None:
    model, watcher, pauses = Model(), Noted(), Pauses()
    model.gate.clear()
    model.errors = [Overloaded("full", retry_after_s=2.0) for _ in range(4)]
    ask = asker(model, Pace(rows=2, bulk_rows=2, calls=4), watcher, pauses)
    tasks = [ask(f"word {i}") for i in range(16)]
    await eventually(lambda: model.under_way == 4)
    model.gate.set()
    await eventually(lambda: model.under_way == 0)
    assert (pauses.waits, watcher.refusals, len(model.calls)) == ([2.0], 4, 4)
    model.gate.clear()
    pauses.over.set()
    await eventually(lambda: model.under_way > 0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert model.under_way == 1  # Four refusals: halved down to one, which grows with every answer.
    model.gate.set()
    assert await asyncio.gather(*tasks) == [bytes_of(f"word {i}") for i in range(16)]
    assert watcher.calls == [2] * 8


async def test_the_pause_grows_while_the_queue_stays_full() -> None:
    model, pauses = Model(), Pauses()
    pauses.over.set()
    model.errors = [Overloaded("full", retry_after_s=0.1) for _ in range(8)]
    await asker(model, Pace(rows=2, bulk_rows=2, calls=1), sleep=pauses)("word")
    assert pauses.waits == sorted(pauses.waits)
    assert pauses.waits[-1] == 5.0


async def test_a_row_that_the_model_refuses_fails_alone() -> None:
    refused = RequestRefused("triton", "too long", "The model refused it.")
    model = Model(bad="bad", error=refused)
    ask = asker(model, Pace(rows=8, bulk_rows=8))
    good, bad = [ask("a"), ask("b")], ask("bad")
    assert await asyncio.gather(*good) == [bytes_of("a"), bytes_of("b")]
    with pytest.raises(RequestRefused):
        await bad


async def test_a_model_that_is_away_is_every_rows_error_and_is_asked_once() -> None:
    model = Model()
    model.errors = [DependencyDown("triton")]
    ask = asker(model, Pace(rows=8, bulk_rows=8))
    tasks = [ask("a"), ask("b")]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [DependencyDown, DependencyDown]
    assert len(model.calls) == 1
    assert await ask("a") == bytes_of("a")


async def test_more_rows_than_may_wait_are_refused() -> None:
    model = Model()
    model.gate.clear()
    ask = asker(model, Pace(rows=1, bulk_rows=1, calls=1, waiting=2))
    tasks = [ask("a"), ask("b")]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await ask("c")
    model.gate.set()
    await asyncio.gather(*tasks)


async def test_rows_that_nobody_waits_for_any_more_are_not_sent() -> None:
    model = Model()
    model.gate.clear()
    ask = asker(model, Pace(rows=1, bulk_rows=1, calls=1))
    first, given_up, last = ask("a"), ask("b"), ask("c")
    await eventually(lambda: model.under_way == 1)
    given_up.cancel()
    await asyncio.sleep(0)
    model.gate.set()
    await asyncio.gather(first, last)
    assert model.rows == ["a", "c"]


words = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([PRIORITY_UPLOAD, PRIORITY_BULK])), max_size=30
)


@settings(max_examples=50, deadline=None)
@given(asked=words, rows=st.integers(1, 5), calls=st.integers(1, 3), refusals=st.integers(0, 4))
def test_everybody_gets_the_own_vector_whatever_is_asked_together(
    asked: list[tuple[str, int]], rows: int, calls: int, refusals: int
) -> None:
    async def scenario() -> None:
        model, pauses = Model(), Pauses()
        pauses.over.set()
        model.errors = [Overloaded("full") for _ in range(refusals)]
        ask = asker(model, Pace(rows, max(1, rows - 1), calls), sleep=pauses)
        assert await asyncio.gather(*(ask(*one) for one in asked)) == [bytes_of(word) for word, _ in asked]
        assert model.most_under_way <= calls
        assert all(len(sent) <= rows for sent, _ in model.calls)

    asyncio.run(scenario())
