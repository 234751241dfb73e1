"""A file that ships with a package as a response: its kind, a tag by which it is not sent twice, its policy."""

import hashlib

from fastapi import Request, Response


def static_file(request: Request, data: bytes, content_type: str, policy: str) -> Response:
    """The file, or 304 for a browser that has it already.

    Args:
        policy: its Content-Security-Policy.
    """
    etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Content-Security-Policy": policy}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=content_type)
