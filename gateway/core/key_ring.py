"""The keys that open this gateway, by their hash. Pure."""

from collections.abc import Iterable, Mapping

from contracts.access import KeyEntry, Scope, hash_key
from gateway.core.access import LOCAL, Caller

_NAMED_BY = 12
_PLAIN: frozenset[Scope] = frozenset({"read", "write"})


class KeyRing:
    """Finds the caller behind a key.

    Args:
        callers: with the time in Unix ms at which each key ends, or None, by SHA-256 of the key.
        is_required: whether a request without a key gets in nowhere; else anybody is `LOCAL`.
    """

    def __init__(self, callers: Mapping[str, tuple[Caller, int | None]], *, is_required: bool) -> None:
        self._callers = dict(callers)
        self._is_required = is_required

    def caller(self, key: str | None, now_ms: int) -> Caller | None:
        """Who brings this key; None where it is none of ours, or no longer.

        Keys are found by their hash, so that the time it takes tells nothing of a key.
        """
        if not self._is_required:
            return LOCAL
        caller, expires_ms = self._callers.get(hash_key(key), (None, None)) if key else (None, None)
        return caller if expires_ms is None or now_ms < expires_ms else None


def key_ring(plain: Iterable[str], operators: Iterable[str], entries: Iterable[KeyEntry] | None) -> KeyRing:
    """A ring of the keys in the settings, and of those in a file.

    Args:
        plain: keys that read and write all of the default tenant. operators: keys that may do everything there.
        entries: of the file; None where there is none. A file without keys opens nothing.
    """
    callers: dict[str, tuple[Caller, int | None]] = {}
    for key in plain:
        callers[hash_key(key)] = Caller(name=_name(key), scopes=_PLAIN), None
    for key in operators:
        callers[hash_key(key)] = Caller(name=_name(key)), None
    for entry in entries or ():
        caller = Caller(
            name=entry.name,
            tenant=entry.tenant,
            scopes=frozenset(entry.scopes),
            collections=entry.collections,
            groups=entry.groups,
            requests_per_minute=entry.requests_per_minute,
            tokens_per_minute=entry.tokens_per_minute,
        )
        callers[entry.sha256] = caller, entry.expires_ms
    return KeyRing(callers, is_required=bool(callers) or entries is not None)


def _name(key: str) -> str:
    return f"key-{hash_key(key)[:_NAMED_BY]}"
