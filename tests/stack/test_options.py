"""What a person can choose about the stack, and what is refused."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from contracts.errors import ConfigurationError, Conflict, InvalidInput
from stack.bootstrap import DataSpace, claim_data, exported_space
from stack.options import StackOptions, choose_gateway_port
from stack.ports import LOOPBACK


@pytest.mark.parametrize(
    ("broker", "kind"),
    [
        ("kafka", "kafka"),
        ("mock", "mock"),
        ("127.0.0.1:9092", "external"),
        ("a.example:1,b.example:2", "external"),
    ],
)
def test_a_broker_is_ours_a_mock_or_an_address(broker: str, kind: str) -> None:
    assert StackOptions(broker=broker).broker_kind == kind


@pytest.mark.parametrize("broker", ["", "kafak", "host", "host:port", "http://host:1/x"])
def test_any_other_broker_is_refused(broker: str) -> None:
    with pytest.raises(InvalidInput, match="HOST:PORT"):
        _ = StackOptions(broker=broker).broker_kind


def test_a_reset_is_refused_where_the_broker_would_bring_everything_back() -> None:
    with pytest.raises(InvalidInput, match="another broker"):
        StackOptions(broker="localhost:9092", reset=True)
    assert StackOptions(broker="kafka", reset=True).reset


def test_a_port_that_is_taken_is_refused_and_zero_means_any() -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        taken = listener.getsockname()[1]
        with pytest.raises(Conflict, match="--port"):
            choose_gateway_port(taken)
    assert choose_gateway_port(0) > 0


def test_data_belongs_to_the_space_it_was_built_for(tmp_path: Path) -> None:
    ours = DataSpace(space_id="a" * 16, n_shards=3)
    claim_data(tmp_path, ours)
    claim_data(tmp_path, ours)
    for other in (DataSpace(space_id="b" * 16, n_shards=3), DataSpace(space_id="a" * 16, n_shards=4)):
        with pytest.raises(Conflict, match="--reset"):
            claim_data(tmp_path, other)


def test_a_stack_without_exported_models_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="trireme setup"):
        exported_space(tmp_path)
