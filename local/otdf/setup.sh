#!/bin/sh
# Installs otdf-python, pinned, into .local/interop/python, an environment of its own: quick when all is there.
# PYTHON names the interpreter to make it with.
set -eu
umask 077 # .local also holds keys

here=$(cd "$(dirname "$0")" && pwd)
home=$(cd "$here/../.." && pwd)/.local/interop/python
PYTHON=${PYTHON:-python3}

missing() {
	echo "local/otdf: $1" >&2
	exit 1
}

# Whether it was made from the pins as they are now, and its interpreter has not gone since.
if cmp -s "$here/requirements.txt" "$home.made-from" && "$home/bin/python" -c '' 2>/dev/null; then
	exit 0
fi
command -v "$PYTHON" >/dev/null || missing "$PYTHON is not there: Python 3.11 or later is needed"
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
	missing "the venv module of $PYTHON is missing (on Debian: apt-get install python3-venv)"

echo "Installing otdf-python …"
mkdir -p "${home%/*}"
rm -f "$home.made-from"
"$PYTHON" -m venv --clear "$home"
"$home/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt" ||
	missing "otdf-python could not be installed: pip says why above"
cp "$here/requirements.txt" "$home.made-from"
