"""`make bench-lexical`: does the weight of words find part numbers, and does it leave plain questions alone?

    python -m benchmarks.lexical [--families 24] [--out result.json]

Starts an embedded stack of its own, ingests samples/ and the sheets of `part_numbers`, and asks both sets of
questions at several lexical weights: the share of part numbers whose sheet comes first, and nDCG@10 of the plain
held-out questions, whose one right document is known.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.filled_stack import with_filled_stack
from benchmarks.machine import describe_machine
from benchmarks.part_numbers import PartQuestion, part_questions, parts
from client.client import TriremeClient
from client.evaluation.figures import FIGURES, estimate, gains
from client.held_out import HeldOutQuery, parse_queries
from contracts.joint import Weights
from stack.events import StackFailed

_CHECKOUT = Path(__file__).resolve().parent.parent
_QUERIES = _CHECKOUT / "benchmarks" / "quality" / "samples_queries.jsonl"
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
_SEED = 20261126
_PER_PART = 2
_DEPTH = 30


def measure(url: str, *, families: int) -> dict[str, Any]:
    """Ingest the sheets and ask everything at every weight."""
    made = parts(_SEED, families)
    asked = part_questions(made, _SEED, _PER_PART)
    plain = [query for query in parse_queries(_QUERIES.read_bytes()) if query.query]
    rows: list[dict[str, Any]] = []
    with TriremeClient(url, timeout_s=60) as client:
        views = [client.upload(part.text.encode(), part.name, content_type="text/plain") for part in made]
        for view in views:
            settled = client.wait(view.doc_id, timeout_s=600)
            if settled.state != "indexed":
                raise StackFailed(f"The sheet '{settled.source}' ended as '{settled.state}': {settled.reason}")
        for weight in WEIGHTS:
            first = [_comes_first(client, question, weight) for question in asked]
            gains = [_gain(client, query, weight) for query in plain]
            rows.append(
                {
                    "lexical_weight": weight,
                    "right_part_first": sum(first) / len(first),
                    "plain_ndcg_at_10": sum(gains) / len(gains),
                    "plain_gains": gains,
                }
            )
    baseline = rows[0]["plain_gains"]
    for row in rows:
        row["plain_change"] = row["plain_ndcg_at_10"] / rows[0]["plain_ndcg_at_10"] - 1
        differences = [a - b for a, b in zip(row.pop("plain_gains"), baseline, strict=True)]
        interval = estimate(np.array(differences))
        row["plain_difference_95"] = interval.low, interval.high
    return {
        "machine": describe_machine(),
        "parts": len(made),
        "part_questions": len(asked),
        "plain_questions": len(plain),
        "rows": rows,
    }


def _comes_first(client: TriremeClient, question: PartQuestion, weight: float) -> bool:
    hits = client.search(question.query, k=10, weights=Weights(lexical=weight)).hits
    return bool(hits) and hits[0].source == question.expected


def _gain(client: TriremeClient, query: HeldOutQuery, weight: float) -> float:
    """nDCG@10 of one question with one right document."""
    image = (_CHECKOUT / query.image).read_bytes() if query.image else None
    hits = client.search(query.query, image=image, k=_DEPTH, weights=Weights(lexical=weight)).hits
    documents = list(dict.fromkeys(hit.source for hit in hits))
    return gains(documents, {Path(query.expected).name})[FIGURES.index("nDCG@10")]


def print_table(result: dict[str, Any]) -> None:
    """The result as a table."""
    table = Table(title=f"{result['part_questions']} part numbers, {result['plain_questions']} plain questions")
    for title in ("lexical weight", "right part first", "plain nDCG@10", "change", "difference, 95 %"):
        table.add_column(title, justify="right")
    for row in result["rows"]:
        low, high = row["plain_difference_95"]
        table.add_row(
            f"{row['lexical_weight']:g}",
            f"{row['right_part_first']:.1%}",
            f"{row['plain_ndcg_at_10']:.3f}",
            f"{row['plain_change']:+.1%}",
            f"{low:+.3f} to {high:+.3f}",
        )
    Console(width=120).print(table)


def main() -> None:
    """Measure, print, and write JSON where --out says."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--families", type=int, default=24, help="families of ten parts")
    arguments.add_argument("--out", type=Path)
    given = arguments.parse_args()
    results: list[dict[str, Any]] = []

    async def run(url: str) -> None:
        results.append(await asyncio.to_thread(measure, url, families=given.families))

    asyncio.run(with_filled_stack(_CHECKOUT / "samples", run))
    print_table(results[0])
    if given.out:
        given.out.write_text(json.dumps(results[0], indent=1) + "\n")


if __name__ == "__main__":
    main()
