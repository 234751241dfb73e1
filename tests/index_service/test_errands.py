"""Work that other threads have done by the one that changes the shards."""

import threading

import pytest

from contracts.errors import DeadlineExceeded, NotFound, Overloaded, TriremeError
from index_service.errands import Errands


def asked(errands, work):
    """Ask in a thread of its own; the thread and what came of it."""
    came = []

    def run():
        try:
            came.append(errands.ask(work, 10))
        except TriremeError as exc:
            came.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def done(errands, thread):
    """Do errands until the thread that asked has its answer."""
    while thread.is_alive():
        errands.do_waiting()
        thread.join(0.01)


def test_an_errand_is_done_by_the_thread_that_does_errands():
    errands = Errands()
    thread, came = asked(errands, threading.get_ident)
    assert not errands.more_expected
    done(errands, thread)
    assert came == [threading.get_ident()]
    assert errands.more_expected


def test_a_fault_of_the_errand_goes_to_who_asked():
    errands = Errands()

    def fails():
        raise NotFound("no such shard")

    thread, came = asked(errands, fails)
    done(errands, thread)
    assert isinstance(came[0], NotFound)


def test_an_errand_whose_turn_does_not_come_is_never_done():
    errands, calls = Errands(), []
    with pytest.raises(DeadlineExceeded):
        errands.ask(lambda: calls.append(1), 0.01)
    errands.do_waiting()
    assert calls == []


def test_too_many_errands_are_refused():
    errands = Errands()
    for _ in range(8):
        with pytest.raises(DeadlineExceeded):
            errands.ask(lambda: None, 0.001)
    with pytest.raises(Overloaded):
        errands.ask(lambda: None, 0.001)
