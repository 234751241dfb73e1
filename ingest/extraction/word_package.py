"""The package of a DOCX: a ZIP archive, which may be a bomb, checked before anything of it is unpacked.

Only what holds text and pictures is opened, when it is asked for. Of the many other parts (settings, themes,
fonts) any may be damaged or missing, and relationships may lead nowhere: Word itself writes the target "NULL"
for a picture that got lost. A library that opens all parts at once would lose the text with them.
"""

import io
import posixpath
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from lxml import etree
from lxml.etree import _Element

from contracts.errors import DocumentFailed
from ingest.extraction.types import ExtractionLimits

# DEFLATE reaches 1032:1; documents of a megabyte and more that people write stay below 100:1.
_HIGHEST_RATIO = 200
_RATIO_MATTERS_FROM_BYTES = 8_000_000
_ENCRYPTED_FLAG = 0x1
# What zipfile raises for archives with flipped bits.
_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    ValueError,
    NotImplementedError,
    OSError,
)
_CORRUPT = "The Word document is damaged and cannot be opened."
_USUAL_MAIN = "word/document.xml"
# Namespaces of ECMA-376, parts 1 and 2. Kinds of relationships end in these words in its strict form, too.
_BODY = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}body"
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_MAIN_KIND, _STYLES_KIND = "/officeDocument", "/styles"


@dataclass(frozen=True, slots=True)
class _Relation:
    """Where a part leads; `target` is the name of another part, None where that lies outside of the file."""

    kind: str
    target: str | None


class WordPackage:
    """A DOCX whose unpacked size is within the limits.

    Raises:
        DocumentFailed: cause "compression_bomb", "encrypted", "too_deep" or "corrupt".
    """

    def __init__(self, data: bytes, limits: ExtractionLimits) -> None:
        check_package(data, limits)
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        # Names of parts are the same in upper and lower case (ECMA-376, part 2, 6.2.2.3).
        self._entries = {entry.filename.lower(): entry for entry in self._archive.infolist()}
        packages = self._relations("").values()
        main = next((r.target for r in packages if r.kind.endswith(_MAIN_KIND) and r.target), _USUAL_MAIN)
        self._main_relations = self._relations(main)
        self._main = main

    def body(self) -> _Element:
        """The element that holds the text."""
        root = self._xml(self._main)
        body = root.find(_BODY) if root is not None else None
        if body is None:
            raise DocumentFailed("corrupt", _CORRUPT)
        return body

    def styles(self) -> _Element | None:
        """The root of the styles; None where there are none."""
        relations = self._main_relations.values()
        name = next((r.target for r in relations if r.kind.endswith(_STYLES_KIND)), None)
        return self._xml(name) if name is not None else None

    def is_external(self, relation: str) -> bool:
        """Whether a relationship of the text leads out of the file."""
        found = self._main_relations.get(relation)
        return found is not None and found.target is None

    def related(self, relation: str) -> bytes | None:
        """The bytes of a part that the text refers to; None where there are none that can be read."""
        found = self._main_relations.get(relation)
        try:
            return self._part(found.target) if found is not None and found.target is not None else None
        except DocumentFailed:
            return None

    def _relations(self, part: str) -> dict[str, _Relation]:
        folder, name = posixpath.split(part)
        root = self._xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        relations: dict[str, _Relation] = {}
        for element in root.iter(_RELATIONSHIP) if root is not None else ():
            target = posixpath.normpath(posixpath.join("/", folder, element.get("Target", ""))).lstrip("/")
            outside = element.get("TargetMode") == "External"
            relations[element.get("Id", "")] = _Relation(element.get("Type", ""), None if outside else target)
        return relations

    def _part(self, name: str) -> bytes | None:
        entry = self._entries.get(name.lower())
        if entry is None:
            return None
        try:
            return self._archive.read(entry)
        except _ERRORS as exc:
            raise DocumentFailed("corrupt", _CORRUPT) from exc

    def _xml(self, name: str) -> _Element | None:
        """The root of a part, None where the part is missing; nothing outside of it is looked at."""
        data = self._part(name)
        if data is None:
            return None
        parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
        try:
            root = etree.fromstring(data, parser)
        except etree.XMLSyntaxError as exc:
            # Entities that multiply meet a limit of the parser with the same code.
            if exc.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT and "depth" in exc.msg:
                raise DocumentFailed("too_deep", "The Word document is nested too deep.") from exc
            raise DocumentFailed("corrupt", _CORRUPT) from exc
        if root.getroottree().docinfo.doctype:  # not allowed in a DOCX (ECMA-376, part 2, 6.2.5); bombs have them
            raise DocumentFailed("corrupt", _CORRUPT)
        return root


def check_package(data: bytes, limits: ExtractionLimits) -> None:
    """Add up what the archive's directory declares; nothing is unpacked.

    A part whose declared size is a lie does not get past its checksum: `zipfile` stops at the declared size.

    Raises:
        DocumentFailed: cause "compression_bomb", "encrypted" or "corrupt".
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
