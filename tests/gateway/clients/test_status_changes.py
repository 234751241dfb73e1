"""News of documents for one listener."""

import asyncio

import pytest

from gateway.clients.status_changes import Changes


async def test_ids_come_once_however_often_they_changed() -> None:
    changes = Changes("t")
    changes.add([("t", "a"), ("t", "b")])
    changes.add([("t", "a")])
    assert await changes.next() == ("a", "b")


async def test_other_tenants_are_no_news() -> None:
    changes = Changes("t")
    changes.add([("other", "a")])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await changes.next()


async def test_a_listener_that_falls_behind_is_told_to_look_at_all() -> None:
    changes = Changes("t")
    changes.add(("t", f"d{n}") for n in range(3000))
    assert await changes.next() is None
    changes.add([("t", "later")])
    assert await changes.next() == ("later",)
