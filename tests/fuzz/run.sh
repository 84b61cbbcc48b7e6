#!/bin/sh
# Fuzzes every target, or those named, for SECONDS each, one after the other; one line for each, and 1 if one found
# something.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=$root/.local/fuzz/python/bin/python
logs=$root/.local/fuzz/logs
cd "$root" || exit 1
mkdir -p "$logs"
[ $# -gt 0 ] || set -- $(sed -n 's/^    "\([a-z0-9_]*\)": Target(.*/\1/p' "$here/targets.py")

status=0
for name; do
	nice -n 19 "$python" -m tests.fuzz.fuzz "$name" "-max_total_time=${SECONDS_EACH:-600}" >"$logs/$name.log" 2>&1
	result=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$name.log")
	echo "$name: ${runs:-no} runs, exit status $result"
	[ $result -eq 0 ] || status=1
done
exit $status
