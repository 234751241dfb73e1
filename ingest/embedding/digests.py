"""What names a row's vector: whose it is, of which space and tower, and a hash of its content. Pure."""

import hashlib
from typing import Literal

Tower = Literal["text", "image"]


def digest(tenant: str, space_id: str, tower: Tower, content: bytes) -> bytes:
    """32 bytes. Tenants share nothing: how quickly a file is embedded shall not tell what others have."""
    named = hashlib.sha256()
    for part in (tenant.encode(), space_id.encode(), tower.encode(), content):
        named.update(len(part).to_bytes(8, "big"))
        named.update(part)
    return named.digest()
