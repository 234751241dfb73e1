"""Days of last access: what is counted, kept and forgotten."""

import pytest

from contracts.errors import BadMessage
from index_service.access import AccessDays
from index_service.access_file import load_access, save_access

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


def test_a_saved_file_is_read_back_and_only_written_when_something_changed(tmp_path):
    directory, access, again = tmp_path / "shard-0", AccessDays(), AccessDays()
    save_access(directory, access)
    assert not directory.exists()
    counted(access, ["a"], 19_900, next_offset=4)
    save_access(directory, access)
    (directory / "access.bin").rename(directory / "kept")
    save_access(directory, access)
    assert [path.name for path in directory.iterdir()] == ["kept"]
    (directory / "kept").rename(directory / "access.bin")
    load_access(directory, again)
    assert (again.day("a"), again.place("cluster/topic")) == (19_900, 4)


@pytest.mark.parametrize("fault", ["torn", "flipped", "empty"])
def test_a_damaged_file_counts_everything_as_used_today(tmp_path, fault):
    access, again = AccessDays(), AccessDays()
    counted(access, ["a"], 19_900)
    save_access(tmp_path, access)
    path = tmp_path / "access.bin"
    data = path.read_bytes()
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    path.write_bytes({"torn": data[:-1], "flipped": flipped, "empty": b""}[fault])
    load_access(tmp_path, again)
    again.settle(["a"], TODAY)
    assert again.day("a") == TODAY


def test_what_the_disk_did_not_take_is_saved_the_next_time(tmp_path):
    access, again = AccessDays(), AccessDays()
    counted(access, ["a"], 19_900)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        save_access(tmp_path / "file" / "shard-0", access)
    save_access(tmp_path, access)
    load_access(tmp_path, again)
    assert again.day("a") == 19_900
