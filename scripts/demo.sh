#!/bin/sh
# The whole demo from an empty checkout: the application's environment first, `trireme demo` does the rest.
# Hands over when it began, so that the demo can tell the time from here to the first answered question.
set -eu
cd "$(dirname "$0")/.."
began=$(date +%s)
make --silent .venv/.installed
exec .venv/bin/trireme demo --began "$began" "$@"
