#!/bin/sh
# Makes sure that things outside Python are there: as root they are installed, otherwise the command is shown.
# Usage: scripts/system_packages.sh WANTED=PACKAGE...   where WANTED is a program's name or the path of a file,
# such as chromium=chromium
set -eu
missing=""
for each in "$@"; do
    wanted=${each%%=*}
    command -v "$wanted" >/dev/null 2>&1 || [ -e "$wanted" ] || missing="$missing ${each#*=}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "trireme: installing$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    # shellcheck disable=SC2086 # one word a package
    exec apt-get install -qq -y --no-install-recommends $missing >/dev/null
fi
echo "trireme: not installed:$missing. To install: sudo apt-get install$missing" >&2
