"""Whether another graph gives the vectors of an exported model: both run on the same real inputs. No PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.errors import ConfigurationError, Conflict
from encoding.manifests import ImageManifest, TextManifest, read_manifest
from encoding.text import TextTokens
from export.parity import MIN_COSINE, Vectors, run_graph
from export.publish import VERSION
from export.quantise import Feeds
from export.sample_inputs import sample_pictures, sample_texts, split

# As many as the gate of an export takes, and of these the half that int8 was not calibrated with.
MAX_PICTURES = 48
MAX_TEXTS = 96
BATCH = 8


@dataclass(frozen=True, slots=True)
class Reference:
    """Real inputs in batches of at most `BATCH`, and the vectors that they should give, [rows, dim]."""

    feeds: Sequence[Feeds]
    wanted: Vectors


def reference_of(repository: Path, model: str, samples: Path) -> Reference:
    """Run version 1 of the model over the samples that an export of it is compared on.

    They are tokenised or prepared as its manifest says.

    Raises:
        ConfigurationError: the model or its version 1 is not there.
        InvalidInput: there is nothing in `samples` to run it on.
    """
    graph = repository / model / VERSION / "model.onnx"
    if not graph.is_file():
        raise ConfigurationError(f"Version {VERSION} of '{model}', which others are compared with, is not there.")
    feeds = _feeds(repository, model, samples)
    return Reference(feeds, run_graph(graph, feeds))


def threshold_of(precision: str) -> float:
    """Smallest cosine that a graph of this precision may have to the reference; see `export.parity`."""
    known: dict[str, float] = {str(name): value for name, value in MIN_COSINE.items()}
    return known.get(precision.partition(" ")[0], known["fp32"])


def smallest_cosine(found: Vectors, reference: Reference, threshold: float, who: str) -> float:
    """The smallest cosine between rows of `found` and of the reference.

    Raises:
        Conflict: it is below the threshold, or the vectors are of another shape.
    """
    wanted = reference.wanted.astype(np.float64)
    if found.shape != wanted.shape:
        raise Conflict(f"{who} gives vectors of {found.shape[-1]} numbers, the model's have {wanted.shape[-1]}.")
    both = (found * wanted).sum(axis=1)
    lengths = np.linalg.norm(found.astype(np.float64), axis=1) * np.linalg.norm(wanted, axis=1)
    smallest = float((both / lengths).min())
    # Written so that a cosine that is no number fails.
    if not smallest >= threshold:
        raise Conflict(
            f"{who} does not give the model's vectors: smallest cosine {smallest:.4f} over {len(wanted)} inputs, "
            f"wanted at least {threshold}. Every vector in the index would be wrong for it."
        )
    return round(smallest, 7)


def _feeds(repository: Path, model: str, samples: Path) -> list[Feeds]:
    if (repository / model / VERSION / "tokenizer.json").is_file():
        return _texts(repository, read_manifest(repository, model, TextManifest), samples)
    manifest = read_manifest(repository, model, ImageManifest)
    pictures = [manifest.prepare(picture) for picture in split(sample_pictures(samples, MAX_PICTURES))[1]]
    return [{"image": np.stack(pictures[at : at + BATCH])} for at in range(0, len(pictures), BATCH)]


def _texts(repository: Path, manifest: TextManifest, samples: Path) -> list[Feeds]:
    """Texts of like length together; those that are too long for the model are left out."""
    path = repository / manifest.model / manifest.tokenizer
    tokens = TextTokens(path, max_length=manifest.max_length, pad_token_id=manifest.pad_token_id)
    texts = [text for text in sample_texts(samples, MAX_TEXTS) if tokens.count(text) <= manifest.max_length - 2]
    sequences = sorted(tokens.ids(split(texts)[1]), key=len)
    return [tokens.pad(sequences[at : at + BATCH]) for at in range(0, len(sequences), BATCH)]
