#!/bin/sh
# Sees to it that redis-server is there, which tests/state starts: installs the system's package where it may. The Firestore
# emulator comes with gcloud; where that is not, its tests are left out.
set -eu

if ! command -v redis-server >/dev/null; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "tests/state: redis-server is not there: Redis 7 is needed (on Debian and Ubuntu: apt-get install redis-server)" >&2
		exit 1
	fi
	echo "Installing redis-server …"
	apt-get update -qq
	apt-get install --yes -qq --no-install-recommends redis-server
fi
