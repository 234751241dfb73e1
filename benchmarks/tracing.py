"""What recording a trace costs a search: `python -m benchmarks.tracing` starts a stack and asks it in turns.

Traced and untraced searches alternate on one stack, because the caller's `traceparent` decides. No question is
asked twice, so no cache answers.
"""

from __future__ import annotations

import asyncio
import http.client
import secrets
import statistics
import sys
import time
from urllib.parse import urlsplit

from benchmarks.filled_stack import with_filled_stack
from stack.home import CHECKOUT

PAIRS = 400
WARM_UP = 20


def main() -> None:
    """Measure, and print medians and their ratio."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    measured: dict[bool, list[float]] = {}

    async def measure_at(url: str) -> None:
        measured.update(await asyncio.to_thread(measure, url, pairs))

    asyncio.run(with_filled_stack(CHECKOUT / "samples", measure_at))
    untraced, traced = measured[False], measured[True]
    for name, times in (("untraced", untraced), ("traced", traced)):
        p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        print(f"{name:9} p50 {p50:6.2f} ms  p95 {p95:6.2f} ms")
    medians = statistics.median(traced) / statistics.median(untraced)
    of_pairs = statistics.median(one / other for one, other in zip(traced, untraced, strict=True))
    print(f"{pairs} pairs: ratio of medians {medians:.3f}, median of the pairs' ratios {of_pairs:.3f}")


def measure(url: str, pairs: int) -> dict[bool, list[float]]:
    """Milliseconds of searches, untraced and traced; who is first in a pair changes."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    times: dict[bool, list[float]] = {False: [], True: []}
    for pair in range(pairs + WARM_UP):
        for traced in (False, True) if pair % 2 else (True, False):
            took_ms = _search(connection, traced=traced)
            if pair >= WARM_UP:
                times[traced].append(took_ms)
    connection.close()
    return times


def _search(connection: http.client.HTTPConnection, *, traced: bool) -> float:
    headers = {
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-0{int(traced)}",
        "X-Requested-With": "trireme",
        "Content-Type": "application/json",
    }
    body = f'{{"query": "the harbour of {secrets.token_hex(8)}"}}'
    began = time.perf_counter()
    connection.request("POST", "/v1/search", body, headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"a search was answered with {answer.status}")
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
