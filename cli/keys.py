"""`trireme keys`: the file of hashed keys that gateways read (`TRIREME_API_KEYS_FILE`)."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from cli.console import JsonOption, out, print_json
from contracts.access import SCOPES, KeyEntry, KeyFile, Scope, checked_groups, hash_key
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.ids import DEFAULT_TENANT

app = typer.Typer()

_KEY_BYTES = 32
_DAY_MS = 86_400_000
FileOption = Annotated[Path, typer.Option("--file", help="The file of keys.", envvar="TRIREME_API_KEYS_FILE")]


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="What the key is called in logs and records.")],
    file: FileOption,
    scopes: Annotated[str, typer.Option("--scopes", help=f"Of {', '.join(SCOPES)}, between commas.")] = "read",
    tenant: Annotated[str, typer.Option("--tenant", help="Whose documents it reaches.")] = DEFAULT_TENANT,
    collections: Annotated[
        list[str] | None, typer.Option("--collection", help="Only this one; may be given again.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option("--groups", help="Documents with readers only where one of these is among them.")
    ] = None,
    requests: Annotated[int | None, typer.Option("--requests", min=1, help="Requests a minute.")] = None,
    tokens: Annotated[int | None, typer.Option("--tokens", min=1, help="Tokens a minute.")] = None,
    days: Annotated[float | None, typer.Option("--days", min=0, help="Opens nothing after so many days.")] = None,
) -> None:
    """Make a key and print it, this once: the file keeps its hash alone. Gateways know it within a second."""
    keys = _read(file)
    if any(entry.name == name for entry in keys.keys):
        raise Conflict(f"There is a key of the name '{name}' already.")
    key = f"trireme_{secrets.token_urlsafe(_KEY_BYTES)}"
    entry = KeyEntry(
        name=name,
        sha256=hash_key(key),
        scopes=_scopes(scopes),
        tenant=tenant,
        collections=tuple(collections) if collections else None,
        groups=checked_groups(groups) if groups is not None else None,
        requests_per_minute=requests,
        tokens_per_minute=tokens,
        expires_ms=int(time.time() * 1000 + days * _DAY_MS) if days is not None else None,
    )
    _write(file, KeyFile((*keys.keys, entry)))
    # Plainly, and on standard output alone: a script takes it from there.
    print(key)


@app.command("list")
def list_keys(file: FileOption, as_json: JsonOption = False) -> None:
    """Show the keys' names and what each may do."""
    keys = _read(file).keys
    if as_json:
        print_json(keys)
        return
    table = Table("name", "scopes", "tenant", "collections", "groups", "ends")
    for entry in keys:
        ends = time.strftime("%Y-%m-%d", time.gmtime(entry.expires_ms / 1000)) if entry.expires_ms else ""
        table.add_row(
            entry.name,
            ", ".join(entry.scopes),
            entry.tenant,
            "all" if entry.collections is None else ", ".join(entry.collections),
            "all" if entry.groups is None else ", ".join(entry.groups),
            ends,
        )
    out.print(table)


@app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")], file: FileOption) -> None:
    """Take a key out of the file: within a second it opens nothing more."""
    keys = _read(file).keys
    left = tuple(entry for entry in keys if entry.name != name)
    if len(left) == len(keys):
        raise NotFound(f"There is no key of the name '{name}'.")
    _write(file, KeyFile(left))
    out.print(f"'{name}' is revoked; {len(left)} keys are left.")


def _read(file: Path) -> KeyFile:
    try:
        return msgspec.json.decode(file.read_bytes(), type=KeyFile)
    except FileNotFoundError:
        return KeyFile()
    except (OSError, msgspec.DecodeError) as exc:
        raise InvalidInput(f"The file of keys '{file}' cannot be read: {exc}.") from exc


def _write(file: Path, keys: KeyFile) -> None:
    """Replace the file in one step; only its owner may read it."""
    unfinished = file.with_name(f".{file.name}.new")
    opened = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "wb") as writing:
        writing.write(msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")
    unfinished.replace(file)


def _scopes(text: str) -> tuple[Scope, ...]:
    given = {part.strip() for part in text.split(",") if part.strip()}
    if not given or not given <= set(SCOPES):
        raise InvalidInput(f"Scopes are {', '.join(SCOPES)}, between commas.")
    return tuple(scope for scope in SCOPES if scope in given)
