"""Text and pictures out of documents, read in a process of their own that may be killed.

    extractor = Extractor(ExtractionLimits())
    content_type = sniff(data, source_key)
    text = await extractor.extract_text(data, content_type)
    pictures = await extractor.extract_pictures(data, content_type)
    await extractor.close()

All failures of a document are `contracts.errors.DocumentFailed`, with one of these causes: empty, unsupported,
wrong_extension, encrypted, corrupt, too_many_pixels, too_many_pages, too_much_text, too_deep, compression_bomb,
too_much_memory, timeout, crashed. Knows nothing of Kafka, object stores and encoders.
"""

from ingest.extraction.ocr import require_tesseract
from ingest.extraction.run import Extractor
from ingest.extraction.sniff import sniff
from ingest.extraction.types import ExtractedPicture, ExtractedText, ExtractionLimits, TextBlock

__all__ = [
    "ExtractedPicture",
    "ExtractedText",
    "ExtractionLimits",
    "Extractor",
    "TextBlock",
    "require_tesseract",
    "sniff",
]
