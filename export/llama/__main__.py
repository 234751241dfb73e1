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

from contracts.errors import ConfigurationError, TriremeError
from export.llama.checkpoint import Source

CHECKPOINT_FILES = ("*.json", "*.safetensors", "*.jinja", "README.md")


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
    """The checkpoint's folder; a hub id is downloaded, code files left out."""
    folder = Path(checkpoint)
    if folder.is_dir():
        return Source(folder, folder.resolve().name)
    if folder.is_absolute() or checkpoint.count("/") != 1:
        raise ConfigurationError(f"{checkpoint} is neither a folder nor a hub id such as owner/name.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    _say(f"Downloading {checkpoint}")
    try:
        found = Path(snapshot_download(checkpoint, revision=revision, allow_patterns=list(CHECKPOINT_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as exc:
        raise ConfigurationError(
            f"{checkpoint} could not be downloaded. Gated checkpoints need an accepted licence and HF_TOKEN."
        ) from exc
    return Source(found, checkpoint, found.name)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
