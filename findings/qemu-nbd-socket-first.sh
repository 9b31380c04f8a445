#!/usr/bin/env bash
# What:    what the socket of qemu-nbd says of its image.
# Version: qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (Debian 12).
# Guess:   a listening socket means that the image is open and locked; a server that could not open it leaves no socket.
# Seen:    qemu-nbd makes the socket before it opens the image. When another program has locked the image, it ends with 1 and the
#          socket's file stays.
# Matters: a script that waits for the socket, the usual sign of readiness, goes on before the lock is taken. Wait for a negotiated
#          export, or for the file that --pid-file names.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-utils=1:7.2+dfsg-7+deb12u18+b3

qemu-img create -q -f qcow2 disk.qcow2 1M
mkfifo commands
timeout 60 qemu-io -f qcow2 disk.qcow2 <commands >/dev/null 2>&1 &
exec 3>commands
inode=$(stat -c %i disk.qcow2)
for _ in $(seq 100); do grep -q "OFDLCK.*:$inode " /proc/locks && break || sleep 0.1; done

status=0
timeout 60 qemu-nbd -f qcow2 -k "$work/socket" --pid-file "$work/pid" disk.qcow2 2>message || status=$?
exec 3>&-
cat message
[ "$status" = 1 ] && grep -q lock message || gone "qemu-nbd cannot lock the image"
[ -S socket ] || gone "the socket is made before the image is opened"
[ ! -e pid ] || gone "the pid file is written after the image is opened"
echo "seen: qemu-nbd ended with $status, its socket is there, its pid file is not"
