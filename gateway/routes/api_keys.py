"""API keys: once one exists, every request must bring one. Pure ASGI. What a key may do is not decided here."""

import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.core.links import MEDIA_PREFIX
from gateway.routes.problems import problem_response

_BEARER = "bearer "
# Probes, and the page without any data in it.
_OPEN = frozenset({"/healthz", "/readyz", "/"})
_OPEN_PREFIXES = ("/playground/", MEDIA_PREFIX)
_DOCUMENTS = "/v1/documents/"
_ORIGINAL = "/file"


class RequireKey:
    """Asks for `Authorization: Bearer KEY`; lets everything pass while there are no keys.

    Signed links need none: who holds one was given it by someone with a key.
    """

    def __init__(self, app: ASGIApp, *, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = tuple(key.encode() for key in keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._keys or _is_open(scope["path"]) or self._known(scope):
            await self._app(scope, receive, send)
            return
        detail = "This gateway needs an API key: send it as 'Authorization: Bearer KEY'."
        refusal = problem_response(scope, 401, "api_key_missing", detail)
        refusal.headers["WWW-Authenticate"] = "Bearer"
        await refusal(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        header = Headers(scope=scope).get("authorization", "")
        if not header.lower().startswith(_BEARER):
            return False
        given = header[len(_BEARER) :].strip().encode()
        # Every key is compared, so that the time taken tells nothing.
        return sum(hmac.compare_digest(given, key) for key in self._keys) > 0


def _is_open(path: str) -> bool:
    signed_original = path.startswith(_DOCUMENTS) and path.endswith(_ORIGINAL)
    return path in _OPEN or path.startswith(_OPEN_PREFIXES) or signed_original
