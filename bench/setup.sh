#!/bin/sh
# Sees to it that nginx is there, which `make bench-scale` starts by itself: installs the system's package where it may, and
# keeps it from being started as a service.
set -eu

PATH=$PATH:/usr/sbin:/usr/local/sbin
POLICY=/usr/sbin/policy-rc.d

if ! command -v nginx >/dev/null; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "bench: nginx is not there: 1.20 or later is needed (on Debian and Ubuntu: apt-get install nginx-light)" >&2
		exit 1
	fi
	echo "Installing nginx …"
	if [ ! -e "$POLICY" ]; then
		trap 'rm -f "$POLICY"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$POLICY"
		chmod 755 "$POLICY"
	fi
	apt-get update -qq
	apt-get install --yes -qq --no-install-recommends nginx-light
fi
