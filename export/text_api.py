"""Describes a text encoder that an embeddings API serves, and makes a joint space of it. No PyTorch.

Nothing is downloaded: what is kept is the model's name, its width and limits, a probe's vector that tells it from
another model, and the mean vector over real texts. URL and key are told to each process and kept nowhere.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from pydantic import SecretStr

from contracts.errors import DependencyFailed, InvalidInput
from contracts.space import Space
from encoding.batches import Vectors
from encoding.embeddings_api import ApiModel, EmbeddingsApi, Encoding
from encoding.manifests import TEXT_API, TextApiManifest, load_space
from export.publish import VERSION, publication
from export.request import Progress, quiet
from export.sample_inputs import SAMPLES, sample_texts

PROBE = "A small pump lifts clear water from a deep well; 17 metres, at noon, in July."
MAX_TEXTS = 256
_TIMEOUT_S = 120.0
_TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class TextApiRequest:
    """What a person asks for.

    Args:
        url: what comes before `/embeddings`.
        dimensions: width to ask the server for; None takes the model's own.
        max_length: longest text that the model reads, in tokens with special ones.
        tokenizer: the model's tokenizer.json; None guesses lengths.
        samples: folder with texts for the mean vector.
        make_space: describe a joint space of this encoder and the CLIP of the space that is there.
        replace: take the place of an earlier description.
    """

    url: str
    key: SecretStr
    model: str
    repository: Path
    dimensions: int | None = None
    max_length: int = 512
    tokenizer: Path | None = None
    query_prefix: str = ""
    passage_prefix: str = ""
    samples: Path = SAMPLES
    make_space: bool = False
    replace: bool = False


@dataclass(frozen=True, slots=True)
class TextApiReport:
    """What was described. `space_id` is None where no space was made of it."""

    encoder: str
    dim: int
    encoding: Encoding
    texts: int
    space_id: str | None


async def describe_text_api(request: TextApiRequest, progress: Progress = quiet) -> TextApiReport:
    """Ask the server for some vectors and write down what there is to know of it.

    Raises:
        InvalidInput: no tokenizer file, or no texts for the mean.
        Conflict: a description is there and may not be replaced. ConfigurationError: the URL is none.
        DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: the server gave no vectors.
    """
    if request.tokenizer is not None and not request.tokenizer.is_file():
        raise InvalidInput(f"There is no tokenizer at '{request.tokenizer}'.")
    progress(f"Asking for vectors of '{request.model}'")
    encoding, probe = await _probe(request)
    texts = sample_texts(request.samples, MAX_TEXTS)
    progress(f"Measuring the mean of {len(texts)} texts")
    vectors = await _embed(request, encoding, [request.passage_prefix + text for text in texts])
    manifest = TextApiManifest(
        api_model=request.model,
        # Names the weights as far as they can be seen from here; taken once, when the encoder is described.
        fingerprint=hashlib.sha256(probe.astype("<f4").tobytes()).hexdigest()[:12],
        dim=len(probe),
        dimensions=request.dimensions,
        encoding=encoding,
        max_length=request.max_length,
        tokenizer=_TOKENIZER if request.tokenizer else None,
        query_prefix=request.query_prefix,
        passage_prefix=request.passage_prefix,
        probe_text=PROBE,
        probe_vector=[round(float(value), 6) for value in probe],
    )
    before = load_space(request.repository) if request.make_space else None
    with publication(request.repository, [TEXT_API], replace=request.replace) as folders:
        folder = folders[TEXT_API]
        (folder / VERSION).rmdir()
        (folder / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        if request.tokenizer is not None:
            shutil.copyfile(request.tokenizer, folder / _TOKENIZER)
    space = None
    if before is not None:
        space = with_text_half(before, manifest, vectors.mean(axis=0))
        _write(request.repository, space)
    return TextApiReport(manifest.identity, manifest.dim, encoding, len(texts), space.space_id if space else None)


def with_text_half(space: Space, text: TextApiManifest, mean: Vectors) -> Space:
    """The space with this encoder for its text half; its CLIP stays."""
    return msgspec.structs.replace(
        space,
        encoders=space.encoders | {"text": text.identity},
        text_dim=text.dim,
        means=space.means | {"text": [round(float(value), 6) for value in mean]},
        query_prefix=text.query_prefix,
        passage_prefix=text.passage_prefix,
    )


async def _probe(request: TextApiRequest) -> tuple[Encoding, Vectors]:
    """The encoding that the server knows, and the probe's unit vector [dim]."""
    try:
        return "base64", (await _embed(request, "base64", [PROBE]))[0]
    except DependencyFailed:
        # If it is something else that the server does not like, it says so once more.
        return "float", (await _embed(request, "float", [PROBE]))[0]


async def _embed(request: TextApiRequest, encoding: Encoding, texts: list[str]) -> Vectors:
    model = ApiModel(request.model, request.dimensions, encoding)
    api = EmbeddingsApi(request.url, request.key, model)
    try:
        vectors = await api.embed(texts, timeout_s=_TIMEOUT_S)
    finally:
        await api.close()
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _write(repository: Path, space: Space) -> None:
    staged = repository / "space.json.partial"
    staged.write_bytes(msgspec.json.encode(space))
    staged.replace(repository / "space.json")
