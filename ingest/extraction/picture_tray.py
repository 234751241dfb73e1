"""Pictures that stand in a document as files of their own, opened in turn within the limits of the document."""

import hashlib
from collections.abc import Iterator

from contracts.errors import DocumentFailed
from ingest.extraction.pictures import finished, is_decoration, is_flat, open_picture
from ingest.extraction.types import ExtractionLimits
from ingest.extraction.wire import PictureFound


class PictureTray:
    """Takes the files of one document's pictures in order; keeps what shows something, each once.

    One that cannot be decoded, and all beyond a limit, are counted in `left_out`.
    """

    def __init__(self, limits: ExtractionLimits) -> None:
        self.left_out = 0
        self._limits = limits
        self._pixels_left = limits.max_document_pixels
        self._n_found = 0
        self._seen: set[bytes] = set()

    def add(self, data: bytes | None, *, anchor: int, caption: str | None) -> Iterator[PictureFound]:
        """The picture, where it is to be kept.

        Args:
            data: its file; None where there are no bytes to read.
        """
        if data is None:
            self.left_out += 1
            return
        digest = hashlib.sha256(data).digest()
        if digest in self._seen:
            return
        self._seen.add(digest)
        if self._n_found == self._limits.max_pictures:
            self.left_out += 1
            return
        try:
            image = open_picture(data, min(self._limits.max_pixels, self._pixels_left))
        except DocumentFailed:
            self.left_out += 1
            return
        self._pixels_left -= image.width * image.height
        if is_decoration(*image.size) or is_flat(image):
            return
        yield PictureFound(picture=finished(image, ordinal=self._n_found, anchor=anchor, caption=caption))
        self._n_found += 1
