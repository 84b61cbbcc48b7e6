#!/bin/sh
# Installs the OpenTDF clients that tests/interop drives, each pinned, into .local/interop: quick when all is there.
# PYTHON names the interpreter for the Python client, which local/otdf/setup.sh installs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
home=$here/../../.local/interop

failed() {
	echo "tests/interop: $1" >&2
	exit 1
}

# Whether the artefact is there, and the files after it are still those that it was made from.
is_ready() {
	made=$home/$1.made-from
	[ -e "$2" ] || return 1
	shift 2
	[ -f "$made" ] && cat "$@" | cmp -s - "$made"
}

# Every tool that is missing is told, not the first alone.
is_lacking=
lacking() {
	echo "tests/interop: $1" >&2
	is_lacking=yes
}

check_node() {
	if ! command -v node >/dev/null; then
		lacking "node is not there: Node 20 or later is needed (on Debian: apt-get install nodejs npm)"
	elif ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
		lacking "node is $(node --version): Node 20 or later is needed"
	fi
	command -v npm >/dev/null || lacking "npm is not there (on Debian: apt-get install npm)"
}

check_go() {
	if ! command -v go >/dev/null; then
		lacking "go is not there: Go 1.25 or later is needed (on Debian: apt-get install golang-go)"
		return
	fi
	case $(GOTOOLCHAIN=local go env GOVERSION) in
	go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.2[0-4]*)
		lacking "go is $(GOTOOLCHAIN=local go env GOVERSION): Go 1.25 or later is needed"
		;;
	esac
}

check_node
check_go
[ -z "$is_lacking" ] || exit 1
"$here/../../local/otdf/setup.sh"
mkdir -p "$home"

if ! is_ready npm "$home/npm/node_modules/@opentdf/client/package.json" "$here/npm/package-lock.json"; then
	echo "Installing @opentdf/client …"
	rm -f "$home/npm.made-from"
	mkdir -p "$home/npm"
	cp "$here/npm/package.json" "$here/npm/package-lock.json" "$home/npm/"
	npm ci --prefix "$home/npm" --no-audit --no-fund --ignore-scripts --loglevel=error ||
		failed "@opentdf/client could not be installed: npm says why above"
	cat "$here/npm/package-lock.json" >"$home/npm.made-from"
fi

if ! is_ready go "$home/go-sdk" "$here/go/main.go" "$here/go/go.mod" "$here/go/go.sum"; then
	echo "Building the program over the Go SDK: minutes the first time …"
	rm -f "$home/go.made-from"
	(cd "$here/go" && CGO_ENABLED=0 GOTOOLCHAIN=local go build -mod=readonly -trimpath -o "$home/go-sdk" .) ||
		failed "the program over the Go SDK could not be built: go says why above"
	cat "$here/go/main.go" "$here/go/go.mod" "$here/go/go.sum" >"$home/go.made-from"
fi
