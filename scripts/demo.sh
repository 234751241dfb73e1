#!/bin/sh
# The whole demo from an empty checkout: both environments side by side, then `trireme demo`.
# Hands over when it began, so that the demo can tell the time from here to the first answered question.
set -eu
cd "$(dirname "$0")/.."
began=$(date +%s)
sh scripts/system_packages.sh tesseract=tesseract-ocr
make --no-print-directory -j2 .venv/.installed .venv-serving/.installed
exec .venv/bin/trireme demo --began "$began" "$@"
