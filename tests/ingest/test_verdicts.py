import pytest

from contracts.errors import (
    BadMessage,
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    DocumentFailed,
    Overloaded,
    PayloadTooLarge,
    Superseded,
)
from ingest.verdicts import GiveUp, TryAgain, Void, judge

PASSING = [
    DependencyDown("triton"),
    DependencyFailed("triton"),
    Overloaded("Full."),
    DeadlineExceeded("Too late."),
    RuntimeError("a bug"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda e: type(e).__name__)
def test_a_passing_failure_waits_longer_each_time_and_is_then_given_up(error: Exception) -> None:
    verdicts = [judge(error, attempt) for attempt in range(4)]
    assert [v.delay_s for v in verdicts[:3] if isinstance(v, TryAgain)] == [10, 120, 1200]
    last = verdicts[3]
    assert isinstance(last, GiveUp)
    assert last.cause == "retries_exhausted"
    assert "4 tries" in last.reason


def test_a_documents_own_failure_is_given_up_at_once_with_its_cause() -> None:
    assert judge(DocumentFailed("corrupt", "The picture is damaged."), 0) == GiveUp(
        "corrupt", "The picture is damaged."
    )


@pytest.mark.parametrize("error", [BadMessage("No such field."), PayloadTooLarge("Too long.")])
def test_input_that_cannot_be_used_is_given_up_under_its_code(error: BadMessage | PayloadTooLarge) -> None:
    assert judge(error, 0) == GiveUp(error.code, error.message)


def test_a_replaced_file_is_nobodys_failure() -> None:
    assert judge(Superseded("Replaced."), 2) == Void("Replaced.")


def test_an_unexpected_error_is_called_internal_and_tells_callers_nothing_of_itself() -> None:
    verdict = judge(RuntimeError("secret detail in /some/path"), 0)
    assert isinstance(verdict, TryAgain)
    assert verdict.cause == "internal"
    assert "secret" not in verdict.reason


def test_the_cause_names_the_service_that_is_away() -> None:
    verdict = judge(DependencyDown("triton"), 0)
    assert isinstance(verdict, TryAgain)
    assert verdict.cause == "dependency_down_triton"
    assert "10 seconds" in verdict.reason
