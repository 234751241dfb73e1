"""Days of last access: what is counted, kept and forgotten."""

import pytest

from contracts.errors import BadMessage
from index_service.access import AccessDays

TODAY = 20_000


def counted(access, doc_ids, day, *, next_offset=1, today=TODAY):
    access.count(doc_ids, day, today=today, identity="cluster/topic", next_offset=next_offset)


def test_the_latest_day_counts_whatever_the_order():
    access = AccessDays()
    counted(access, ["a"], 19_990)
    counted(access, ["a", "b"], 19_980)
    assert (access.day("a"), access.day("b"), access.day("c")) == (19_990, 19_980, None)


def test_a_day_that_has_not_come_counts_as_today():
    access = AccessDays()
    counted(access, ["a"], TODAY + 5000)
    assert access.day("a") == TODAY


def test_what_is_not_known_counts_as_today_from_then_on():
    access = AccessDays()
    counted(access, ["a"], 19_900)
    access.settle(["a", "new"], TODAY)
    access.settle(["a", "new"], TODAY + 10)
    assert (access.day("a"), access.day("new")) == (19_900, TODAY)


def test_what_is_no_longer_held_is_forgotten_and_begins_anew():
    access = AccessDays()
    counted(access, ["a"], 19_900)
    access.settle([], TODAY, forget=True)
    access.settle(["a"], TODAY + 3)
    assert access.day("a") == TODAY + 3


def test_a_touch_may_come_before_its_document():
    access = AccessDays()
    counted(access, ["a"], 19_900)
    access.settle([], TODAY)
    access.settle(["a"], TODAY)
    assert access.day("a") == 19_900


def test_what_was_kept_is_read_back_with_its_place_in_the_log():
    access, again = AccessDays(), AccessDays()
    counted(access, ["a", "b"], 19_900, next_offset=7)
    counted(access, ["c"], 19_901, next_offset=8)
    again.load(access.dump())
    assert [again.day(one) for one in "abc"] == [19_900, 19_900, 19_901]
    assert (again.place("cluster/topic"), again.place("another/topic")) == (8, None)
    assert not access.changed
    assert not again.changed


def test_counting_again_changes_nothing():
    access = AccessDays()
    counted(access, ["a"], 19_900)
    access.dump()
    counted(access, ["a"], 19_900)
    assert not access.changed


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80", b"\x84\xa6format\x09"])
def test_other_bytes_are_refused_and_change_nothing(data):
    access = AccessDays()
    counted(access, ["a"], 19_900)
    with pytest.raises(BadMessage):
        access.load(data)
    assert access.day("a") == 19_900
