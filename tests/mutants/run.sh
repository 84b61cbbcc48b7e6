#!/bin/sh
# Installs mutmut, pinned, into .local/mutants/python, changes the code of a copy in .local/mutants/work and runs the
# unit tests on each change. Whatever no test notices is listed: docs/mutants.md says why that may be.
set -eu
umask 077 # .local also holds keys

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
home=$root/.local/mutants
PYTHON=${PYTHON:-python3}
set -- "$root/requirements.txt" "$root/requirements-dev.txt" "$here/requirements.txt"

if ! cat "$@" | cmp -s - "$home/python.made-from" || ! "$home/python/bin/python" -c '' 2>/dev/null; then
	echo "Installing mutmut …"
	mkdir -p "$home"
	rm -f "$home/python.made-from"
	"$PYTHON" -m venv --clear "$home/python"
	"$home/python/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r "$1" -r "$2" -r "$3"
	cat "$@" >"$home/python.made-from"
fi

rm -rf "$home/work"
mkdir "$home/work"
cp -R "$root/kas" "$root/config" "$root/local" "$root/tests" "$root/pyproject.toml" "$here/setup.cfg" "$home/work/"
cd "$home/work"
nice -n 5 "$home/python/bin/mutmut" run --max-children 2
"$home/python/bin/mutmut" export-cicd-stats
"$home/python/bin/mutmut" results
