#!/bin/sh
# Asks three tools about what is deployed, writes what they say to build/audit/, dated, and judges it (verdict.py):
# 0, nothing is to do; 1, something is; 2, nothing is known to be, but not everything could be asked.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=$root/.local/audit/python/bin
results=$root/build/audit
cd "$root"
rm -rf "$results"
mkdir -p "$results"

# The code that is deployed, what deploys it, and what is for one machine.
set -- main.py kas local
[ -z "$(find deploy -name '*.py' 2>/dev/null)" ] || set -- "$@" deploy
"$bin/bandit" --quiet --recursive --exit-zero --format json --output "$results/bandit.json" "$@"

# Both are asked: where packages come from a mirror of the index, the first may know none of them.
for service in pypi osv; do
	"$bin/pip-audit" --vulnerability-service "$service" --cache-dir "$root/.local/audit/cache" --progress-spinner off \
		--requirement requirements.txt --require-hashes --disable-pip \
		--format json --output "$results/advisories-$service.json" >"$results/advisories-$service.log" 2>&1 || true
done

"$bin/cyclonedx-py" requirements --pyproject pyproject.toml --output-format JSON \
	--output-file "$results/sbom.json" requirements.txt >"$results/sbom.log" 2>&1 || true

exec "$bin/python" "$here/verdict.py" "$results" requirements.txt "$here/accepted.toml"
