#!/bin/sh
# Builds the Open Policy Agent that tests/policy_backends asks, pinned by go/go.sum, into .local/policy_backends: quick
# when it is there, some minutes the first time.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
home=$here/../../.local/policy_backends

missing() {
	echo "tests/policy_backends: $1" >&2
	exit 1
}

command -v go >/dev/null || missing "go is not there: Go 1.26 or later is needed (https://go.dev/dl)"
case $(GOTOOLCHAIN=local go env GOVERSION) in
go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.2[0-5]*)
	missing "go is $(GOTOOLCHAIN=local go env GOVERSION): Go 1.26 or later is needed"
	;;
esac

mkdir -p "$home"
if ! { [ -x "$home/opa" ] && [ -f "$home/made-from" ] && cat "$here/go/go.mod" "$here/go/go.sum" | cmp -s - "$home/made-from"; }; then
	echo "Building the Open Policy Agent: minutes the first time …"
	(
		cd "$here/go"
		# One package at a time: it leaves the machine to others.
		CGO_ENABLED=0 GOTOOLCHAIN=local go build -p=1 -mod=readonly -trimpath -ldflags "-s -w" \
			-o "$home/opa" github.com/open-policy-agent/opa
	)
	cat "$here/go/go.mod" "$here/go/go.sum" >"$home/made-from"
fi
