"""Who asks, and what that caller may do: one function authorises every request. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from contracts.access import SCOPES, Scope
from contracts.api import DocumentView
from contracts.errors import Forbidden, Unauthenticated
from contracts.ids import DEFAULT_TENANT
from contracts.search import Filter
from gateway.core.links import MEDIA_PREFIX

_ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
# What a route needs: the first line that fits counts. None is open: probes, the page without any data in it, and
# signed links, whose holder was given them by someone with a key. What is not listed is for operators.
_RULES: tuple[tuple[Sequence[str], str, Scope | None], ...] = (
    (("GET",), "/healthz", None),
    (("GET",), "/readyz", None),
    (("GET",), "/playground", None),
    (("GET",), MEDIA_PREFIX.rstrip("/"), None),
    (_ANY, "/v1/dead-letters", "operator"),
    (_ANY, "/v1/experiments", "operator"),
    (("GET",), "/metrics", "operator"),
    (_WRITES, "/v1/documents", "write"),
    (("GET",), "/v1/documents", "read"),
    (("POST",), "/v1/search", "read"),
    (("POST",), "/search", "read"),
    (("POST",), "/v1/answer", "read"),
    (("POST",), "/v1/feedback", "read"),
    (("POST",), "/v1/chat", "read"),
    (("POST",), "/v1/embeddings", "read"),
    (("GET",), "/v1/models", "read"),
    (("GET",), "/openapi.json", "read"),
    (("GET",), "/docs", "read"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody with a key, or anybody on this machine while there are no keys.

    Args:
        name: as it is recorded.
        collections, groups: see `contracts.access.KeyEntry`.
        requests_per_minute, tokens_per_minute: quota; None for the gateway's default.
    """

    name: str
    tenant: str = DEFAULT_TENANT
    scopes: frozenset[Scope] = frozenset(SCOPES)
    collections: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def sees(self, view: DocumentView) -> bool:
        """Whether a document of the caller's tenant is one that the caller may know of."""
        if self.collections is not None and view.collection not in self.collections:
            return False
        return self.groups is None or not view.readers or not set(self.groups).isdisjoint(view.readers)

    def narrowed(self, wanted: Filter) -> Filter:
        """A filter that finds nothing which the caller may not see. The index applies it.

        Raises:
            Forbidden: collections are asked for by name, and none of them is the caller's.
        """
        return msgspec.structs.replace(wanted, collections=self.within(wanted.collections), groups=self.groups)

    def within(self, collections: Sequence[str] | None) -> tuple[str, ...] | None:
        """Those of some collections that are the caller's; None for all there are. Raises Forbidden for none."""
        if self.collections is None:
            return None if collections is None else tuple(collections)
        if collections is None:
            return self.collections
        mine = tuple(each for each in collections if each in self.collections)
        if not mine:
            raise Forbidden("This key does not open the collections that are asked for.")
        return mine


LOCAL = Caller(name="local")


def needed_scope(method: str, path: str) -> Scope | None:
    """What a request needs; None where it needs nothing."""
    method = "GET" if method == "HEAD" else method
    if path == "/":
        return None
    for methods, prefix, scope in _RULES:
        if method in methods and (path == prefix or path.startswith(f"{prefix}/")):
            return scope
    return "operator"


def authorise(caller: Caller | None, method: str, path: str) -> None:
    """Let a request pass, or not. The one place where that is decided.

    Raises:
        Unauthenticated: it needs a key, and brought none that is known. Forbidden: the key is for something else.
    """
    scope = needed_scope(method, path)
    if scope is None:
        return
    if caller is None:
        raise Unauthenticated("This gateway needs an API key: send it as 'Authorization: Bearer KEY'.")
    if scope not in caller.scopes:
        raise Forbidden(f"This needs a key with the scope '{scope}'.")
