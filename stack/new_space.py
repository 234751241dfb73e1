"""From checkpoints to a joint space that is served beside the one in use. Builds no index and changes no search.

Every step finds what an earlier run has done, so a run that was cut off is simply repeated.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import DependencyFailed, InvalidInput
from contracts.space import Space, named_in_space
from contracts.tensors import CLIP_IMAGE, CLIP_TEXT, TEXT_ENCODER
from encoding.manifests import load_space
from export.joint_space.beside import describe_beside, place_model, put_beside
from export.joint_space.build import SpaceRequest, make_space
from export.same_vectors import reference_of, threshold_of
from runtime.space_files import SpaceBook
from stack.model_versions import REFERENCE, read_facts
from stack.served_vectors import served_cosine
from stack.servers.triton_control import ModelControl
from stack.servers.triton_probe import probe_models

TEXT, CLIP = "text", "clip"
# What the model of each kind is called among the exports, and the tower of the space in use that it stands for.
_OF_KIND = {
    TEXT: ((TEXT, TEXT_ENCODER),),
    CLIP: ((f"{CLIP}_text", CLIP_TEXT), (f"{CLIP}_image", CLIP_IMAGE)),
}
_DONE = "done.json"

Export = Callable[[str, str, Path], None]
"""Exports a checkpoint: kind ("text" or "clip", also its name), the checkpoint, the repository to write into."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What the new space is made of; None keeps that half as it is in the space in use.

    Args:
        text, clip: folder or hub id.
        samples, pairs: see `export.joint_space.build.SpaceRequest`.
    """

    text: str | None
    clip: str | None
    precision: str
    samples: Path
    pairs: Path | None = None

    def of(self, kind: str) -> str | None:
        """The checkpoint of a kind."""
        return self.text if kind == TEXT else self.clip

    def key(self, in_use: Space) -> str:
        """16 hex digits that name this work: other checkpoints, or others in the same place, have others."""
        halves = [_fingerprint(self.of(kind)) or f"kept from {in_use.space_id}" for kind in (TEXT, CLIP)]
        parts = [*halves, self.precision, str(self.samples), str(self.pairs)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class NewSpace:
    """The work on one space.

    Args:
        book: the repository that is served, and its spaces. in_use: the space that searches find now.
        workplace: folder for what is made on the way.
    """

    def __init__(self, wanted: Checkpoints, book: SpaceBook, in_use: Space, workplace: Path, say: Say) -> None:
        self._wanted = wanted
        self._book = book
        self._in_use = in_use
        self._folder = workplace / wanted.key(in_use)
        self._say = say

    @property
    def finished(self) -> Space | None:
        """The space, where an earlier run has made and served it."""
        try:
            space_id = json.loads((self._folder / _DONE).read_text())["space_id"]
        except (OSError, ValueError, KeyError):
            return None
        return self._book.all().get(space_id)

    def make(self, export: Export) -> Space:
        """Export what is not exported, take the other half from the space in use, and describe the space of both.

        Raises:
            DependencyFailed, Conflict, InvalidInput, ...: a step failed; nothing that is served was touched.
        """
        made, exported = self._folder / "space", self._folder / "exported"
        if not (made / "space.json").is_file():
            for kind in (TEXT, CLIP):
                self._half(kind, export, exported)
            request = SpaceRequest(
                exported, TEXT, CLIP, made, samples=self._wanted.samples, pairs=self._wanted.pairs
            )
            make_space(request, self._say)
        return load_space(made)

    async def serve(self, control: ModelControl, address: str) -> Space:
        """Put the space's models beside those in use, have the server load them, compare its vectors with the
        exported ones, then tell everyone of the space.

        Raises:
            DependencyDown, DependencyFailed, DeadlineExceeded: the server did not load a model.
            Conflict: it does not give its vectors. The new models are taken out of the server again.
        """
        made = self._folder / "space"
        if load_space(made).space_id in self._book.all():
            space = load_space(made)
        else:
            self._say("Putting its models beside those in use")
            space, names = put_beside(made, self._book.repository)
            try:
                for name in names:
                    await self._load(control, address, name)
            except BaseException:
                for name in names:
                    await control.unload(name, wait=False)
                raise
            describe_beside(made, self._book.repository, space)
        (self._folder / _DONE).write_text(json.dumps({"space_id": space.space_id}))
        for leftover in ("exported", "space"):
            shutil.rmtree(self._folder / leftover, ignore_errors=True)
        return space

    def _half(self, kind: str, export: Export, exported: Path) -> None:
        missing = [(name, tower) for name, tower in _OF_KIND[kind] if not (exported / name).exists()]
        checkpoint = self._wanted.of(kind)
        if not missing:
            return
        if checkpoint is not None:
            self._say(f"Exporting {checkpoint}, compared with PyTorch")
            export(kind, checkpoint, exported)
            return
        if kind == TEXT and self._in_use.text_by_api:
            raise InvalidInput(
                "The texts of the space in use are embedded by an API: name a text encoder with --text."
            )
        part = self._book.name_part(self._in_use.space_id)
        for name, tower in missing:
            self._say(f"Keeping {named_in_space(tower, part)}")
            place_model(self._book.repository / named_in_space(tower, part), exported, name)

    async def _load(self, control: ModelControl, address: str, name: str) -> None:
        self._say(f"Loading {name}")
        await control.load(name)
        if (await probe_models(address, [name])).failed:
            raise DependencyFailed("triton", f"The model '{name}' was loaded and does not answer.")
        facts = read_facts(self._book.repository / name, REFERENCE)
        reference = reference_of(self._book.repository, name, self._wanted.samples)
        threshold = threshold_of(facts.precision if facts else "")
        smallest = await served_cosine(address, name, reference, threshold, f"'{name}', as Triton serves it,")
        self._say(f"{name} gives the exported vectors: smallest cosine {smallest:.6f} (at least {threshold})")


def _fingerprint(checkpoint: str | None) -> str | None:
    """What tells a checkpoint from another in the same folder; None for none."""
    if checkpoint is None:
        return None
    folder = Path(checkpoint)
    files: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else ()
    marks = [f"{path.relative_to(folder)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return "\n".join([str(folder.resolve()) if files else checkpoint, *marks])
