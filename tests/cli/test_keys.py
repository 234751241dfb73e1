"""`trireme keys`, and the gateway that reads what it wrote."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.keys import app
from contracts.access import hash_key
from contracts.errors import Conflict, InvalidInput, NotFound
from gateway.settings import GatewaySettings
from tests.gateway.door import Door


def run(file: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--file", str(file)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output.strip()


async def test_a_new_key_opens_the_gateway_and_a_revoked_one_does_not(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    web, app_key = run(file, "new", "web"), run(file, "new", "app", "--scopes", "read,write", "--tenant", "acme")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert web not in file.read_text()
    assert hash_key(web) in file.read_text()
    assert "acme" in run(file, "list")
    run(file, "revoke", "web")
    async with Door(GatewaySettings(api_keys_file=file)).client() as client:
        for key, status in ((web, 401), (app_key, 200)):
            response = await client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
            assert response.status_code == status


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    run(file, "new", "web")
    with pytest.raises(Conflict):
        run(file, "new", "web")
    with pytest.raises(NotFound):
        run(file, "revoke", "nobody")
    with pytest.raises(InvalidInput):
        run(file, "new", "odd", "--scopes", "everything")
    file.write_text("{}x")
    with pytest.raises(InvalidInput):
        run(file, "list")
