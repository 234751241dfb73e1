"""Pictures that stand in a page as `data:` addresses (RFC 2397): the only addresses that are read."""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

_ADDRESS = re.compile(r"data:image/[\w.+-]+(?:;[\w=.-]+)*?(;base64)?,", re.IGNORECASE)


def picture_bytes(address: str) -> bytes | None:
    """The bytes of a picture's file; None for all other addresses, and for bytes that cannot be read."""
    head = _ADDRESS.match(address)
    if head is None:
        return None
    body = unquote_to_bytes(address[head.end() :])
    if head[1] is None:
        return body
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        return None
