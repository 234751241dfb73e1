"""Keys of callers as they are kept: hashed, with what each may do. Whoever reads the file learns no key."""

import hashlib
import re
from typing import Literal

import msgspec

from contracts.errors import InvalidInput
from contracts.ids import DEFAULT_TENANT

Scope = Literal["read", "write", "operator"]
SCOPES: tuple[Scope, ...] = ("read", "write", "operator")
SHORTEST_KEY = 16
MOST_GROUPS = 32

_GROUP = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key.

    Args:
        name: in logs and records, instead of the key.
        sha256: of the key, in hex. A key is random and long, so a slow hash would protect nothing more.
        scopes: "read" searches and sees documents, "write" brings and removes them, "operator" is for dead letters
            and metrics. None implies another.
        tenant: whose documents it reaches; nobody else's.
        collections: only these of the tenant, None for all.
        groups: which of the documents with a list of readers it may see, beside those without one; None for all.
        requests_per_minute, tokens_per_minute: its quota, None for the gateway's default.
        expires_ms: Unix time in ms from which it opens nothing, None for never.
    """

    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    tenant: str = DEFAULT_TENANT
    collections: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    expires_ms: int | None = None


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that `TRIREME_API_KEYS_FILE` names; `trireme keys` writes it."""

    keys: tuple[KeyEntry, ...] = ()


def hash_key(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def checked_groups(text: str) -> tuple[str, ...]:
    """Groups in a comma-separated list, each once and in order.

    Raises:
        InvalidInput: a name that no group can have, or too many.
    """
    groups = sorted({part.strip() for part in text.split(",") if part.strip()})
    if len(groups) > MOST_GROUPS or not all(_GROUP.fullmatch(group) for group in groups):
        raise InvalidInput(
            f"Readers are at most {MOST_GROUPS} names of groups, of letters, digits and '._@-', between commas.",
            param="readers",
        )
    return tuple(groups)
