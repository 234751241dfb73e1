"""The package of a DOCX, checked before anything of it is unpacked: a DOCX is a ZIP archive and may be a bomb."""

import io
import struct
import zipfile
import zlib
from pathlib import PurePosixPath

import docx
from docx.document import Document
from docx.opc.exceptions import OpcError
from lxml.etree import LxmlError

from contracts.errors import DocumentFailed
from ingest.extraction.types import ExtractionLimits

# DEFLATE reaches 1032:1; documents of a megabyte and more that people write stay below 100:1.
_HIGHEST_RATIO = 200
_RATIO_MATTERS_FROM_BYTES = 8_000_000
_ENCRYPTED_FLAG = 0x1
# What python-docx, lxml and zipfile raise for documents with flipped bits.
_ERRORS = (
    OpcError,
    LxmlError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    KeyError,
    ValueError,
    AttributeError,
    NotImplementedError,
    OSError,
)
_CORRUPT = "The Word document is damaged and cannot be opened."


def open_docx(data: bytes, limits: ExtractionLimits) -> Document:
    """Open a DOCX whose unpacked size is within the limits.

    Raises:
        DocumentFailed: cause "compression_bomb", "encrypted" or "corrupt".
    """
    check_package(data, limits)
    try:
        return docx.Document(io.BytesIO(data))
    except _ERRORS as exc:
        raise DocumentFailed("corrupt", _CORRUPT) from exc


def check_package(data: bytes, limits: ExtractionLimits) -> None:
    """Add up what the archive's directory declares; nothing is unpacked.

    A part whose declared size is a lie does not get past its checksum: `zipfile` stops at the declared size.

    Raises:
        DocumentFailed: as `open_docx`.
    """
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except _ERRORS as exc:
        raise DocumentFailed("corrupt", _CORRUPT) from exc
    if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
        raise DocumentFailed("encrypted", "The document is protected with a password.")
    unpacked = sum(entry.file_size for entry in entries)
    xml = sum(entry.file_size for entry in entries if PurePosixPath(entry.filename).suffix in (".xml", ".rels"))
    packed = max(sum(entry.compress_size for entry in entries), 1)
    if (
        len(entries) > limits.max_zip_entries
        or unpacked > limits.max_uncompressed_bytes
        or xml > limits.max_xml_bytes
        or (unpacked > _RATIO_MATTERS_FROM_BYTES and unpacked > _HIGHEST_RATIO * packed)
    ):
        raise DocumentFailed(
            "compression_bomb",
            f"The Word document would unpack to {unpacked / 1e6:.0f} MB in {len(entries)} parts, "
            "more than a document of its size should; it was not opened.",
        )
