"""`make bench-index`: the index beside Faiss in process and beside other engines. See docs/benchmarks/index.md.

    python -m benchmarks.index [--parts kinds,filters,growth,live,peers] [--rows 100000] [--out FOLDER]

Each part prints a Markdown table and writes JSON beside it. Data sets are made once, under .trireme/bench.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.index.data_set import open_data_set
from benchmarks.index.joint_vectors import CorpusSpec
from benchmarks.index.parts import PARTS, Run
from benchmarks.machine import describe_machine

_CHECKOUT = Path(__file__).resolve().parent.parent.parent


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(text + "\n")


def main() -> None:
    """Run the parts that were asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="which, with commas between them")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", default="", help="only kinds or peers whose name has this in it")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long `live` writes")
    parser.add_argument("--peer-minutes", type=float, default=15.0, help="for each step of another engine")
    parser.add_argument("--out", type=Path, default=_CHECKOUT / ".trireme" / "bench" / "results")
    given = parser.parse_args()
    unknown = [part for part in given.parts.split(",") if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    home = _CHECKOUT / ".trireme" / "bench"
    data = open_data_set(home / "data", CorpusSpec(), given.rows, say)
    run = Run(
        data=data,
        home=home,
        scratch=home / "scratch",
        only=given.only,
        minutes=given.minutes,
        peer_minutes=given.peer_minutes,
        say=say,
    )
    for part in given.parts.split(","):
        table, result = PARTS[part](run)
        told: dict[str, Any] = {"machine": describe_machine(), "rows": given.rows, "part": part, "result": result}
        (given.out / f"{part}-{given.rows}.json").write_text(json.dumps(told, indent=1) + "\n")
        sys.stdout.write(f"\n## {part}, {given.rows:,} vectors\n\n{table}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
