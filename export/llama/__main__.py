"""`python -m export.llama`, in the export environment: what `trireme export llama` runs.

Progress goes to stderr line by line; the last line on stdout is the manifest's parity figures as JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

from contracts.errors import NotFound, TriremeError
from export.llama.checkpoint import Source


def main() -> int:
    """Export; returns the exit status."""
    wanted = _arguments()
    from export.llama.build import export_llama  # Imports torch: not before the arguments are known to be right.

    try:
        # The builder prints what it does to stdout.
        with redirect_stdout(sys.stderr):
            source = _source(wanted.checkpoint, wanted.revision)
            manifest = export_llama(
                wanted.repository,
                source,
                precision=wanted.precision,
                device=wanted.device,
                on_progress=_say,
                replace=wanted.replace,
            )
    except TriremeError as exc:
        _say(f"Error: {exc.message}")
        return 1
    print(json.dumps(dataclasses.asdict(manifest.parity)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m export.llama")
    parser.add_argument("checkpoint", help="folder of a Llama checkpoint, or a hub id")
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--precision", choices=("int4", "fp16", "bf16", "fp32"), default="int4")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--revision", default=None, help="commit or tag, for a hub id")
    parser.add_argument("--replace", action="store_true")
    return parser.parse_args()


def _source(checkpoint: str, revision: str | None) -> Source:
    """The checkpoint's folder, which of a hub id is downloaded."""
    folder = Path(checkpoint)
    if folder.is_dir():
        return Source(folder, folder.resolve().name)
    if folder.is_absolute() or checkpoint.count("/") != 1:
        raise NotFound(f"'{checkpoint}' is neither a folder nor a hub id (owner/name).")
    from export.hub import download

    found = download(checkpoint, revision, progress=_say)
    return Source(found.folder, checkpoint, found.commit)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
