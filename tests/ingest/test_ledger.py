from hypothesis import given
from hypothesis import strategies as st

from ingest.ledger import OffsetLedger

P = ("file_added", 3)


def test_only_the_finished_prefix_is_committable() -> None:
    ledger = OffsetLedger()
    for offset in (5, 6, 7):
        ledger.opened(P, offset)
    ledger.finished(P, 6)
    assert ledger.to_commit() == {P: 5}
    ledger.finished(P, 5)
    assert ledger.to_commit() == {P: 7}


def test_what_was_committed_is_not_committed_again() -> None:
    ledger = OffsetLedger()
    ledger.opened(P, 0)
    ledger.finished(P, 0)
    ledger.committed(ledger.to_commit())
    assert ledger.to_commit() == {}


def test_work_that_ends_after_its_partition_was_lost_changes_nothing() -> None:
    ledger = OffsetLedger()
    ledger.opened(P, 0)
    ledger.forget([P])
    ledger.finished(P, 0)
    ledger.committed({P: 1})
    assert ledger.to_commit() == {}


@given(st.lists(st.integers(1, 3), min_size=1, max_size=12), st.data())
def test_a_commit_never_passes_an_open_record_and_at_last_passes_all(gaps: list[int], data: st.DataObject) -> None:
    offsets = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    order = data.draw(st.permutations(offsets))
    ledger = OffsetLedger()
    for offset in offsets:
        ledger.opened(P, offset)
    position = None
    for i, offset in enumerate(order):
        ledger.finished(P, offset)
        moved = dict(ledger.to_commit())
        ledger.committed(moved)
        position = moved.get(P, position)
        assert position == min(order[i + 1 :], default=offsets[-1] + 1)
