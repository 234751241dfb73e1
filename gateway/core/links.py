"""Where pictures and originals are found on this gateway: paths, and short-lived links to them."""

from contracts.errors import NotFound
from contracts.search import ShardHit
from gateway.core.clock import Clock
from gateway.core.signing import UrlSigner

MEDIA_PREFIX = "/v1/media/"
_PICTURES = "derived/"


class Links:
    """Makes links for hits and documents, and checks those that come back."""

    def __init__(self, signer: UrlSigner, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock

    def picture(self, hit: ShardHit) -> str | None:
        """Link to a hit's picture; None for text."""
        return self._media(hit.picture_key)

    def thumbnail(self, hit: ShardHit) -> str | None:
        """Link to a hit's small picture; None for text."""
        return self._media(hit.thumbnail_key)

    def document(self, hit: ShardHit, tenant: str) -> str | None:
        """Link to the whole document of a hit."""
        return self.file(hit.doc_id, tenant)

    def file(self, doc_id: str, tenant: str) -> str:
        """Link to a document's original."""
        return self._signer.sign(file_path(doc_id, tenant), self._clock.unix_s())

    def check(self, path: str, expires: int, signature: str) -> None:
        """Check a link that came back. Raises NotFound."""
        self._signer.check(path, expires, signature, self._clock.unix_s())

    def picture_key(self, path: str) -> str:
        """Key of the stored picture behind a path that was checked.

        Raises:
            NotFound: not a picture's path.
        """
        key = path.removeprefix(MEDIA_PREFIX)
        if not key.startswith(_PICTURES) or ".." in key.split("/"):
            raise NotFound("There is no picture at this address.")
        return key

    def _media(self, key: str | None) -> str | None:
        return self._signer.sign(MEDIA_PREFIX + key, self._clock.unix_s()) if key else None


def file_path(doc_id: str, tenant: str) -> str:
    """Path of a document's original. It names the tenant, because whoever follows a link brings no key."""
    return f"{MEDIA_PREFIX}files/{tenant}/{doc_id}"
