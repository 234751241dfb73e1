"""Versions of models on disk, and what each was made of. Knows no server.

`<model>/manifest.json` describes the reference, version 1: what the joint space is made of, and what callers take
tokenizer and preprocessing from. A version that `trireme models update` put beside it has a manifest in its own
folder that names the reference it stands for (docs/decisions/0006).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from contracts.errors import ConfigurationError
from export.publish import models_of_the_space

REFERENCE = 1
MANIFEST = "manifest.json"


class StandsFor(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a version gives the reference's vectors.

    Args:
        sha256: the reference's, out of the model's manifest.
        min_cosine: smallest cosine between the vectors of both, over `inputs` real inputs.
        threshold: what it had to reach.
    """

    sha256: str
    min_cosine: float
    threshold: float
    inputs: int


class VersionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What people ask of a version. Other fields of its manifest are ignored.

    Args:
        sha256: of the graph and its weights; of a language model, of every file by name.
        stands_for: None for the reference itself, and for models that give no vectors.
    """

    source: str = ""
    precision: str = ""
    sha256: str | dict[str, str] = ""
    stands_for: StandsFor | None = None


def versions_on_disk(folder: Path) -> tuple[int, ...]:
    """Numbers of the versions in a model's folder that hold files, ascending; Triton reads no others."""
    if not folder.is_dir():
        return ()
    numbered = (each for each in folder.iterdir() if each.name.isdigit() and each.is_dir())
    return tuple(sorted(int(each.name) for each in numbered if any(each.iterdir())))


def read_facts(folder: Path, version: int) -> VersionFacts | None:
    """What a version was made of; None where nothing says so.

    Raises:
        ConfigurationError: its manifest is damaged.
    """
    own = folder / str(version) / MANIFEST
    path = folder / MANIFEST if version == REFERENCE and not own.is_file() else own
    try:
        return msgspec.json.decode(path.read_bytes(), type=VersionFacts)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as exc:
        raise ConfigurationError(f"The manifest of '{folder.name}' version {version} is damaged.") from exc


def check_versions(repository: Path) -> None:
    """Check that what Triton would serve of the joint space gives the vectors of its references.

    Raises:
        ConfigurationError: the newest version of an encoder is proved for other weights than the reference's, or
            not at all; says what to do.
    """
    for model in sorted(models_of_the_space(repository)):
        folder = repository / model
        newest = max(versions_on_disk(folder), default=REFERENCE)
        if newest == REFERENCE:
            continue
        reference, facts = read_facts(folder, REFERENCE), read_facts(folder, newest)
        proof = facts.stands_for if facts else None
        if proof is None or reference is None or proof.sha256 != reference.sha256:
            raise ConfigurationError(
                f"Version {newest} of the model '{model}' is not known to give the vectors of the joint space: "
                f"delete its folder '{newest}', and install it by `trireme models update` while the stack runs."
            )
