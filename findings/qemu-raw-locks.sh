#!/usr/bin/env bash
# What:    a second qemu-io that writes to an image which another one has open for writing.
# Version: qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (Debian 12), image locking left at its default.
# Guess:   QEMU locks images, so the second is refused, whatever the format.
# Seen:    on qcow2 it is refused, and so is "qemu-img info". On a raw image both go through, and the first writer reads what the second
#          one wrote. The locks stand for permissions: bytes 100 and up are those in use, 200 and up those that others are denied. On
#          qcow2 there are some of both. On raw there are 100 and 101 alone: used, and nothing denied.
# Matters: a monitor that asks "is it locked?" by opening a raw image with QEMU's tools learns nothing. It must look at the bytes, and
#          hold both kinds itself.
# Here:    ImageLockTests holds what is locked, and that both kinds of bytes are.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-utils=1:7.2+dfsg-7+deb12u18+b3

for format in qcow2 raw; do
  qemu-img create -q -f "$format" "disk.$format" 1M
  rm -f commands && mkfifo commands
  timeout 60 qemu-io -f "$format" "disk.$format" <commands >answers.$format 2>&1 &
  holder=$!
  exec 3>commands
  inode=$(stat -c %i "disk.$format")
  for _ in $(seq 100); do grep -q "OFDLCK.*:$inode " /proc/locks && break || sleep 0.1; done

  locked=$(awk -v inode=":$inode\$" '$2 == "OFDLCK" && $6 ~ inode { print $7 "-" $8 }' /proc/locks | sort -n | tr '\n' ' ')
  qemu-io -f "$format" -c 'write -q -P 7 0 512' "disk.$format" 2>/dev/null && write=done || write=refused
  qemu-img info -f "$format" "disk.$format" >/dev/null 2>&1 && info=done || info=refused
  echo 'read -P 7 0 512' >&3
  exec 3>&-
  wait "$holder" || true
  echo "seen: $format: locked bytes $locked; second write $write, info $info"
  case $format in
    qcow2) [ "$write $info" = "refused refused" ] || gone "qcow2 is locked" ;;
    raw)
      [ "$write $info" = "done done" ] || gone "raw is open to all"
      ! grep -q 'verification failed' answers.raw || gone "the first writer reads the bytes of the second"
      echo "seen: raw: the first writer reads the bytes of the second"
      ;;
  esac
done
