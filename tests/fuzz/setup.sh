#!/bin/sh
# Installs atheris, pinned, with what the targets import, into .local/fuzz/python: quick when all is there.
# PYTHON names the interpreter to make it with: 3.11 to 3.13, for which this atheris has wheels.
set -eu
umask 077 # .local also holds keys

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
home=$root/.local/fuzz/python
PYTHON=${PYTHON:-python3}
set -- "$root/requirements.txt" "$root/requirements-dev.txt" "$here/requirements.txt"

if cat "$@" | cmp -s - "$home.made-from" && "$home/bin/python" -c '' 2>/dev/null; then
	exit 0
fi
echo "Installing atheris …"
mkdir -p "${home%/*}"
rm -f "$home.made-from"
"$PYTHON" -m venv --clear "$home"
"$home/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1" -r "$2" -r "$3"
cat "$@" >"$home.made-from"
