"""Keys for tests, and the file that holds their hashes."""

from pathlib import Path
from typing import Any

import msgspec

from contracts.access import KeyEntry, KeyFile, hash_key


def key_of(name: str) -> str:
    """The key that `key_file` gives to a name."""
    return f"{name}-key-of-some-length"


def bearer(name: str) -> dict[str, str]:
    """The header with that key."""
    return {"Authorization": f"Bearer {key_of(name)}"}


def key_file(path: Path, **keys: dict[str, Any]) -> Path:
    """A file with one key for each name; what is not said is that it reads."""
    entries = tuple(
        KeyEntry(**{"name": name, "sha256": hash_key(key_of(name)), "scopes": ("read",)} | given)
        for name, given in keys.items()
    )
    path.write_bytes(msgspec.json.encode(KeyFile(entries)))
    return path
