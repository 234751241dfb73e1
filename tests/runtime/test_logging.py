"""Lines of a process's log: JSON with time, level, process and what they are about, of libraries too."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from stack.home import CHECKOUT

LINES = """
import asyncio, logging, threading
from runtime.telemetry import about, configure_logging, get_logger

configure_logging("shard-7", {level!r})
log = get_logger("somewhere")
thread = threading.Thread(target=lambda: log.info("from_a_thread"))
thread.start()
thread.join()
log.debug("not_at_info")

async def document(doc_id):
    with about(doc_id=doc_id, stage="text"):
        await asyncio.sleep(0)
        log.info("about_a_document")
        await asyncio.to_thread(log.info, "about_it_from_a_thread")

async def main():
    await asyncio.gather(document("one"), document("two"))
    log.info("about_none")

asyncio.run(main())
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
logging.getLogger("httpx").info("GET https://user:password@somewhere")
try:
    {{}}["what a document says"]
except KeyError:
    log.exception("unforeseen")
"""


def written(level: str = "INFO") -> list[dict[str, Any]]:
    """Lines that a process writes; every one is JSON."""
    done = subprocess.run(
        [sys.executable, "-c", LINES.format(level=level)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_names_process_time_and_level_wherever_it_comes_from() -> None:
    lines = written()
    assert {line["process"] for line in lines} == {"shard-7"}
    assert all(line["timestamp"].endswith("Z") and line["level"] for line in lines)
    assert lines[0]["event"] == "from_a_thread"
    [foreign] = [line for line in lines if line.get("logger")]
    assert (foreign["logger"], foreign["level"]) == ("uvicorn.error", "warning")


def test_lines_within_a_block_are_about_it_and_no_other_line_is() -> None:
    lines = written()
    about = [(line["event"], line["doc_id"]) for line in lines if "doc_id" in line]
    assert sorted(about) == [
        (event, doc_id) for event in ("about_a_document", "about_it_from_a_thread") for doc_id in ("one", "two")
    ]
    assert all(line["stage"] == "text" for line in lines if "doc_id" in line)


def test_levels_hold_and_exceptions_come_without_what_others_say() -> None:
    lines = written()
    assert "not_at_info" not in {line["event"] for line in lines}
    assert "not_at_info" in {line["event"] for line in written("DEBUG")}
    assert lines[-1]["event"] == "unforeseen"
    assert lines[-1]["exception"].rstrip().endswith("KeyError")
    assert "password" not in str(lines)
