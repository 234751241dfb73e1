"""Who may do what, and which keys are known."""

import pytest

from contracts.access import KeyEntry, checked_groups, hash_key
from contracts.errors import Forbidden, InvalidInput, Unauthenticated
from contracts.search import Filter
from gateway.core.access import LOCAL, Caller, authorise, needed_scope
from gateway.core.key_ring import key_ring

KEY = "a-key-that-is-long-enough"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/healthz", None),
        ("GET", "/v1/media/derived/a/1/picture-0", None),
        ("HEAD", "/v1/documents", "read"),
        ("POST", "/v1/documents", "write"),
        ("DELETE", "/v1/documents/x", "write"),
        ("POST", "/v1/chat/completions", "read"),
        ("GET", "/metrics", "operator"),
        ("POST", "/v1/dead-letters/x/requeue", "operator"),
        ("GET", "/v1/searches", "operator"),
        ("DELETE", "/v1/media/x", "operator"),
        ("BREW", "/v1/search", "operator"),
    ],
)
def test_what_a_request_needs(method: str, path: str, scope: str | None) -> None:
    assert needed_scope(method, path) == scope


def test_a_scope_opens_its_own_routes_and_no_others() -> None:
    writer = Caller(name="w", scopes=frozenset({"write"}))
    authorise(writer, "POST", "/v1/documents")
    authorise(writer, "GET", "/healthz")
    with pytest.raises(Forbidden, match="read"):
        authorise(writer, "POST", "/v1/search")
    with pytest.raises(Unauthenticated):
        authorise(None, "POST", "/v1/search")


def test_a_filter_is_narrowed_to_what_the_caller_may_see() -> None:
    caller = Caller(name="c", collections=("a", "b"), groups=("staff",))
    assert caller.narrowed(Filter()) == Filter(collections=("a", "b"), groups=("staff",))
    assert caller.narrowed(Filter(collections=("b", "c"))) == Filter(collections=("b",), groups=("staff",))
    with pytest.raises(Forbidden):
        caller.narrowed(Filter(collections=("c",)))
    assert LOCAL.narrowed(Filter(collections=("c",))) == Filter(collections=("c",))


def test_without_keys_everybody_here_is_let_in_and_an_empty_file_lets_nobody_in() -> None:
    assert key_ring((), (), None).caller(None, 0) == LOCAL
    assert key_ring((), (), ()).caller(KEY, 0) is None


def test_a_key_is_known_by_its_hash_until_it_ends() -> None:
    entry = KeyEntry(name="web", sha256=hash_key(KEY), scopes=("read",), tenant="acme", expires_ms=1000)
    ring = key_ring((), (), (entry,))
    caller = ring.caller(KEY, 999)
    assert caller is not None
    assert (caller.name, caller.tenant, caller.scopes) == ("web", "acme", {"read"})
    assert ring.caller(KEY, 1000) is None
    assert ring.caller(KEY + "x", 0) is None
    assert ring.caller(hash_key(KEY), 0) is None, "who has read the file has no key"


def test_plain_keys_of_the_settings_read_and_write_and_an_operators_does_all() -> None:
    ring = key_ring((KEY,), (KEY[::-1],), None)
    plain, operator = ring.caller(KEY, 0), ring.caller(KEY[::-1], 0)
    assert plain is not None
    assert operator is not None
    assert plain.scopes == {"read", "write"}
    assert operator.scopes == {"read", "write", "operator"}
    assert KEY not in plain.name


@pytest.mark.parametrize("text", ["a b", "a\nb", "x" * 65, ",".join(f"g{n}" for n in range(40)), "ä"])
def test_a_group_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        checked_groups(text)


def test_groups_are_listed_once_and_in_order() -> None:
    assert checked_groups("staff, board,staff,") == ("board", "staff")
