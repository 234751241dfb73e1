"""What a stored picture is, by its first bytes. Anything else is handed out as plain bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureKind:
    """A content type, and the extension a saved file gets."""

    content_type: str
    extension: str


_BYTES = PictureKind("application/octet-stream", "bin")


def picture_kind(data: bytes) -> PictureKind:
    """Kind of a picture file: PNG, JPEG or WebP."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PictureKind("image/png", "png")
    if data.startswith(b"\xff\xd8\xff"):
        return PictureKind("image/jpeg", "jpg")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return PictureKind("image/webp", "webp")
    return _BYTES
