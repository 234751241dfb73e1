"""Short-lived links: a path, the time it ends, and an HMAC over both. Whoever holds one may read until then."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from contracts.errors import NotFound


@dataclass(frozen=True, slots=True)
class UrlSigner:
    """Signs and checks paths with one secret.

    Args:
        secret: at least 16 random bytes, the same in all gateways that stand behind one address.
        ttl_s: how long a link lives at least. End times are rounded up to a multiple of it, so the same picture
            keeps the same address for a while and browsers can cache it; no link lives longer than twice that.
    """

    secret: bytes
    ttl_s: int = 600

    def __post_init__(self) -> None:
        if len(self.secret) < 16:
            raise ValueError("the secret must have at least 16 bytes")

    def sign(self, path: str, now_s: float) -> str:
        """The path, quoted, with `expires` and `signature` in its query."""
        expires = (int(now_s) // self.ttl_s + 2) * self.ttl_s
        return _link(self.secret, path, expires)

    def check(self, path: str, expires: int, signature: str, now_s: float) -> None:
        """Check a link as it came back.

        Args:
            path: the path, unquoted.

        Raises:
            NotFound: the link has ended, or was not signed by us.
        """
        genuine = hmac.compare_digest(_signature(self.secret, path, expires).encode(), signature.encode())
        if not genuine or expires <= now_s:
            raise NotFound("This link has expired or is not valid. Ask again for a fresh one.")


# Hot answers name the same pictures again and again, and their links change with the end time only.
@lru_cache(maxsize=8192)
def _link(secret: bytes, path: str, expires: int) -> str:
    return f"{quote(path)}?expires={expires}&signature={_signature(secret, path, expires)}"


def _signature(secret: bytes, path: str, expires: int) -> str:
    digest = hmac.digest(secret, f"{expires}\n{path}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
