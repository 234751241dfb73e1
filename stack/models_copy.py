"""Copies what describes the models out of a bucket, for processes that do not run them.

    python -m stack.models_copy s3://bucket/models /models

Manifests, tokenizers, configurations and spaces; never weights, which Triton reads from the bucket itself.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path, PurePosixPath

from contracts.errors import ConfigurationError
from runtime.object_store import ObjectStore
from runtime.process import run_main
from stack.bootstrap import SPACE_FILE

LARGEST_BYTES = 32 * 1024 * 1024
WEIGHTS = frozenset({".onnx", ".data", ".plan", ".safetensors", ".bin", ".xml", ".pt", ".engine"})


async def copy_descriptions(store: ObjectStore, target: Path) -> int:
    """Copy them below `target`, the description of the space last; how many there were.

    Raises:
        ConfigurationError: there is no space's description, so nobody has put a model repository there.
        DependencyDown: the store does not answer.
    """
    found = [meta async for meta in store.list("") if _describes(meta.key, meta.size_bytes)]
    if SPACE_FILE not in {meta.key for meta in found}:
        raise ConfigurationError(f"No {SPACE_FILE} there: copy an exported model repository to this place first.")
    for meta in sorted(found, key=lambda meta: (meta.key == SPACE_FILE, meta.key)):
        path = target / meta.key
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.new")
        staged.write_bytes(await store.get(meta.key))
        staged.replace(path)
    return len(found)


def _describes(key: str, size: int) -> bool:
    path = PurePosixPath(key)
    return path.suffix not in WEIGHTS and ".." not in path.parts and size <= LARGEST_BYTES


def main(arguments: list[str]) -> None:
    """Copy from the URL that is the first argument into the directory that is the second.

    Raises:
        ConfigurationError: other arguments, or no models there.
    """
    match arguments:
        case [url, target] if "://" in url:
            count = asyncio.run(copy_descriptions(ObjectStore.from_url(url), Path(target)))
        case _:
            raise ConfigurationError("usage: python -m stack.models_copy s3://BUCKET/PREFIX DIRECTORY")
    print(f"{count} files copied")  # noqa: T201 - the answer of a one-shot command


if __name__ == "__main__":
    run_main(lambda: main(sys.argv[1:]))
