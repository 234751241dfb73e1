"""A file that was handed in, and what it is."""

import hashlib
import io
from dataclasses import dataclass
from typing import BinaryIO

from contracts.media import HEAD_BYTES, judge, sniff_upload

# Below this a file is judged by all of its bytes; above it by its beginning and its end, where a ZIP archive lists
# what it holds. Whoever reads the document looks at the whole again.
_WHOLE_BYTES = 1024**2
_END_BYTES = 256 * 1024
_ZIP = b"PK"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was received in full.

    Args:
        source_key: its name in the collection.
        file: open at any place; read by one at a time.
    """

    source_key: str
    file: BinaryIO
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, source_key: str, data: bytes) -> "Upload":
        """One from bytes in memory."""
        return cls(source_key, io.BytesIO(data), len(data), hashlib.sha256(data).hexdigest())

    @property
    def is_on_disk(self) -> bool:
        """Whether to look at it may take long; smaller files are in memory."""
        return self.size_bytes > _WHOLE_BYTES

    def content_type(self) -> str:
        """What it is, by its content; its name may only agree. Reads the file, which may be on a disk.

        Raises:
            UnsupportedMedia: a kind that is not read, or a name that says something else.
            InvalidInput: the file is empty.
        """
        self.file.seek(0)
        if not self.is_on_disk:
            return sniff_upload(self.file.read(), self.source_key)
        head = self.file.read(HEAD_BYTES)
        self.file.seek(self.size_bytes - _END_BYTES)
        return sniff_upload(head + self.file.read(), self.source_key, complete=False)


def refuse_early(head: bytes, name: str) -> None:
    """Refuse a file by its first bytes, where those alone say that it is of a kind that is not read.

    Raises:
        UnsupportedMedia: so it is.
    """
    # Which kind of archive it is stands further back, and the name may be told after the file.
    if not head.startswith(_ZIP) and judge(head, name, complete=False).cause == "unsupported":
        sniff_upload(head, name, complete=False)
