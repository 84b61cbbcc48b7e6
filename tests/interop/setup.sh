#!/bin/sh
# Installs the OpenTDF clients that tests/interop drives, each pinned, into .local/interop: quick when all is there.
# PYTHON names the interpreter for the Python client, which local/otdf/setup.sh installs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
home=$here/../../.local/interop

missing() {
	echo "tests/interop: $1" >&2
	exit 1
}

# Whether the files named are still those that $home/$1 was made from.
is_ready() {
	made=$home/$1.made-from
	shift
	[ -f "$made" ] && cat "$@" | cmp -s - "$made"
}

node_ready() {
	command -v node >/dev/null || missing "node is not there: Node 20 or later is needed (on Debian: apt-get install nodejs npm)"
	node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ||
		missing "node is $(node --version): Node 20 or later is needed"
	command -v npm >/dev/null || missing "npm is not there (on Debian: apt-get install npm)"
}

go_ready() {
	command -v go >/dev/null || missing "go is not there: Go 1.25 or later is needed (on Debian: apt-get install golang-go)"
	case $(GOTOOLCHAIN=local go env GOVERSION) in
	go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.2[0-4]*)
		missing "go is $(GOTOOLCHAIN=local go env GOVERSION): Go 1.25 or later is needed"
		;;
	esac
}

node_ready
go_ready
"$here/../../local/otdf/setup.sh"
mkdir -p "$home"

if ! is_ready npm "$here/npm/package-lock.json"; then
	echo "Installing @opentdf/client …"
	mkdir -p "$home/npm"
	cp "$here/npm/package.json" "$here/npm/package-lock.json" "$home/npm/"
	npm ci --prefix "$home/npm" --no-audit --no-fund --ignore-scripts --loglevel=error
	cat "$here/npm/package-lock.json" >"$home/npm.made-from"
fi

if ! is_ready go "$here/go/main.go" "$here/go/go.mod" "$here/go/go.sum"; then
	echo "Building the program over the Go SDK: minutes the first time …"
	(cd "$here/go" && CGO_ENABLED=0 GOTOOLCHAIN=local go build -mod=readonly -trimpath -o "$home/go-sdk" .)
	cat "$here/go/main.go" "$here/go/go.mod" "$here/go/go.sum" >"$home/go.made-from"
fi
