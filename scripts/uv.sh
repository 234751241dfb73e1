#!/bin/sh
# Runs uv with the given arguments, after fetching it into .trireme/tools when the machine has none.
# A folder of its own needs neither a virtual environment nor leave to change the system's Python.
set -eu
cd "$(dirname "$0")/.."
tools=.trireme/tools/uv

if uv --version >/dev/null 2>&1; then
    exec uv "$@"
fi
if [ ! -x "$tools/bin/uv" ]; then
    echo "trireme: fetching uv into $tools" >&2
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --require-hashes --target "$tools" \
        -r requirements/uv.txt >&2 || {
        echo "trireme: uv cannot be fetched. Needed: Python 3 with pip (Debian: apt-get install python3-pip)." >&2
        exit 1
    }
fi
exec "$tools/bin/uv" "$@"
