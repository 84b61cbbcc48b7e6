#!/bin/sh
# Installs bandit, pip-audit and cyclonedx-py, pinned, into .local/audit/python: quick when all is there.
set -eu
umask 077 # .local also holds keys

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
home=$root/.local/audit/python
PYTHON=${PYTHON:-python3}

if cmp -s "$here/requirements.txt" "$home.made-from" && "$home/bin/python" -c '' 2>/dev/null; then
	exit 0
fi
echo "Installing bandit, pip-audit and cyclonedx-py …"
mkdir -p "${home%/*}"
rm -f "$home.made-from"
"$PYTHON" -m venv --clear "$home"
"$home/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
cp "$here/requirements.txt" "$home.made-from"
