#!/bin/sh
# Runs a command with another root, in a mount namespace of its own: `unshare --mount sh room.sh MODE ROOT FOLDER COMMAND…`.
#
# build: the machine's folders stand beside those of ROOT, and the command may write in there, as the steps of a Dockerfile do.
# run:   beside ROOT there is an interpreter with its libraries; nothing else of the machine is there, so nothing of this
#        tree either, nothing but ROOM_WRITABLE, in memory, can be written, and the command runs as ROOM_USER, if there is one.
#
# ROOM_PYTHON is the prefix of the interpreter that the virtual environment stands on.
set -eu
mode=$1 root=$2 folder=$3
shift 3

# Mount points are made in ROOT, where they stay as empty folders.
place() {
	[ -e "$root$1" ] || [ -h "$root$1" ] || if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root${1%/*}" && : >"$root$1"; fi
	mount --rbind "$1" "$root$1"
	[ "$1" = /tmp ] || mount -o remount,bind,ro "$root$1"
}

chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)
mount --bind "$root" "$root"
if [ "$mode" = build ]; then
	for path in /*; do
		if [ -h "$path" ]; then
			[ -h "$root$path" ] || cp -P "$path" "$root$path"
		elif [ -z "$(ls -A "$root$path" 2>/dev/null)" ]; then
			place "$path"
		fi
	done
	exec "$chroot" "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
fi

for path in /bin /lib /lib32 /lib64 /sbin; do
	if [ -h "$path" ]; then
		[ -h "$root$path" ] || cp -P "$path" "$root$path"
	elif [ -d "$path" ]; then
		place "$path"
	fi
done
for path in /usr "$ROOM_PYTHON" /etc/ssl /etc/ld.so.cache /dev/null /dev/urandom; do
	case $path in /usr/*) ;; *) place "$path" ;; esac
done
mkdir -p "$root$ROOM_WRITABLE" "$root/proc"
mount --rbind /proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root$ROOM_WRITABLE"
mount -o remount,bind,ro "$root"
set -- /bin/sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
if [ "$ROOM_USER" ]; then
	set -- --userspec="$ROOM_USER" --groups= "$root" "$@"
else
	set -- "$root" "$@"
fi
unset ROOM_USER ROOM_PYTHON ROOM_WRITABLE
exec "$chroot" "$@"
