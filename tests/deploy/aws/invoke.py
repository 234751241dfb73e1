"""Runs the function as Lambda would: with the unpacked zip and the standard library only.

`python -I -S invoke.py FOLDER SECONDS` reads a JSON list of events and prints a JSON list of answers; each
invocation has so many seconds left.
"""

import importlib
import json
import sys


class Context:
    """An invocation."""

    def get_remaining_time_in_millis(self) -> int:
        return int(float(sys.argv[2]) * 1000)


sys.path.insert(0, sys.argv[1])
handler = importlib.import_module("ingest.s3_lambda").handler
answers = []
for event in json.load(sys.stdin):
    try:
        answers.append(handler(event, Context()))
    except Exception as exc:  # noqa: BLE001 - what Lambda would report as the function's error
        answers.append({"errorType": type(exc).__name__, "errorMessage": str(exc)})
files = {getattr(module, "__file__", None) or "" for module in sys.modules.values()}
found = {"answers": answers, "foreign": sorted(name for name in files if "site-packages" in name)}
print(json.dumps(found))  # noqa: T201 - the test reads it
