"""What a stored file is, judged from all of its bytes; a refusal is the document's own failure."""

from contracts.errors import DocumentFailed
from contracts.media import judge


def sniff(data: bytes, name: str) -> str:
    """Content type of a whole file (`contracts.media`).

    Raises:
        DocumentFailed: cause "empty", "unsupported", "wrong_extension" or "encrypted".
    """
    verdict = judge(data, name)
    if verdict.content_type is None:
        raise DocumentFailed(verdict.cause or "unsupported", verdict.reason)
    return verdict.content_type
