"""`trireme models` on a real embedded Triton, as an operator runs it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.models import app
from contracts.errors import Conflict, DependencyDown, DependencyFailed, InvalidInput, NotFound
from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED, CLIP_TEXT_DISTILLED
from tests.stack.servers.conftest import OwnTriton


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


class Operator:
    """Calls the command for one server and its repository."""

    def __init__(self, triton: OwnTriton) -> None:
        self._options = ("--triton", triton.address, "--repository", str(triton.repository))

    def __call__(self, *arguments: str) -> Any:
        return json.loads(call(*arguments, *self._options, "--json"))

    def models(self) -> Mapping[str, Any]:
        return {each["name"]: each for each in self("list")}


@pytest.fixture
def operator(own_triton: OwnTriton) -> Operator:
    return Operator(own_triton)


@pytest.mark.integration
def test_the_list_says_what_serves_and_where_it_came_from(operator: Operator, own_triton: OwnTriton) -> None:
    models = operator.models()
    manifest = json.loads((own_triton.repository / CLIP_IMAGE / "manifest.json").read_text())
    full = models[CLIP_IMAGE]
    assert (full["state"], full["version"], full["on_disk"]) == ("serving", 1, [1])
    assert (full["precision"], full["source"], full["sha256"]) == tuple(
        manifest[name] for name in ("precision", "source", "sha256")
    )
    assert models[CLIP_TEXT_DISTILLED]["state"] == "not exported"
    assert {name for name, each in models.items() if each["needed"]} == {CLIP_IMAGE}
    table = call("list", "--triton", own_triton.address, "--repository", str(own_triton.repository))
    assert "not exported" in table
    assert manifest["source"].split(",")[0] in table


@pytest.mark.integration
async def test_a_model_unloaded_on_purpose_is_neither_missed_nor_brought_back(own_triton: OwnTriton) -> None:
    operator, ready = Operator(own_triton), own_triton.spec.ready
    assert ready is not None
    assert (await asyncio.to_thread(operator, "unload", CLIP_IMAGE_DISTILLED))["state"] == "unloaded"
    assert await ready(), "the stack takes it for dead"
    assert (await asyncio.to_thread(operator.models))[CLIP_IMAGE_DISTILLED]["state"] == "unloaded"
    loaded = await asyncio.to_thread(operator, "load", CLIP_IMAGE_DISTILLED)
    assert (loaded["state"], loaded["version"]) == ("serving", 1)
    assert await ready()


@pytest.mark.integration
def test_a_model_that_searches_need_is_unloaded_by_force_only(operator: Operator) -> None:
    with pytest.raises(Conflict, match="--force"):
        operator("unload", CLIP_IMAGE)
    assert operator.models()[CLIP_IMAGE]["state"] == "serving"
    assert operator("unload", CLIP_IMAGE, "--force")["state"] == "unloaded"
    assert operator("load", CLIP_IMAGE)["state"] == "serving"


@pytest.mark.integration
@pytest.mark.parametrize("command", ["load", "unload"])
def test_an_unknown_model_is_told_with_those_that_there_are(operator: Operator, command: str) -> None:
    with pytest.raises(NotFound, match="no model 'clip'; it has clip_image, clip_image_distilled"):
        operator(command, "clip")


@pytest.mark.integration
def test_a_load_that_fails_has_tritons_reason(operator: Operator) -> None:
    with pytest.raises(DependencyFailed, match="at least one version must be available"):
        operator("load", CLIP_TEXT_DISTILLED)


@pytest.mark.parametrize("address", ["10.1.2.3:8001", "triton:8001", "[2001:db8::1]:8001"])
@pytest.mark.parametrize("command", [("load", "m"), ("unload", "m"), ("update", "m", ".")])
def test_another_machine_is_changed_only_when_that_is_said(address: str, command: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match="--remote"):
        call(*command, "--triton", address)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1", "[::1]:1"])
def test_a_server_that_is_not_there_is_told(address: str) -> None:
    with pytest.raises(DependencyDown, match="There is no Triton at"):
        call("load", "m", "--triton", address)


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(InvalidInput, match="HOST:PORT"):
        call("list", "--triton", "localhost")
