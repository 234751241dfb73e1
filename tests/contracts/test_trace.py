import pytest

from contracts.trace import TraceContext, parse_traceparent

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_header_is_read_and_written_alike() -> None:
    trace = parse_traceparent(HEADER)
    assert trace is not None
    assert trace.header() == HEADER


def test_a_child_keeps_the_trace_and_has_its_own_span() -> None:
    child = TraceContext("a" * 32, "b" * 16, sampled=False).child("c" * 16)
    assert child.header() == f"00-{'a' * 32}-{'c' * 16}-00"


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "00-xyz",
        HEADER.upper(),
        "ff" + HEADER[2:],
        HEADER.replace("00f067aa0ba902b7", "0" * 16),
        HEADER + "-",
    ],
)
def test_an_invalid_header_is_no_trace(bad: str | None) -> None:
    assert parse_traceparent(bad) is None
