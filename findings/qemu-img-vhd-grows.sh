#!/usr/bin/env bash
# What:    a raw disk that goes through a dynamic VHD and back.
# Version: qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (Debian 12).
# Guess:   the disk that comes back has the bytes, and so the size, of the one that went in.
# Seen:    qemu-img rounds the size up to a full cylinder of the footer's geometry: 64 MiB come back 16 KiB longer. Only
#          "-o force_size=on" keeps the size, and it changes the footer's creator application from "qemu" to "qem2".
# Matters: a GPT keeps its second header in the last sector. After the way through a VHD it is no longer there. A converter should ask for
#          force_size, or say that the disk has grown.
# Here:    VhdFooter tells the size of a "qemu" footer by its geometry, of another by its current size.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-utils=1:7.2+dfsg-7+deb12u18+b3

truncate -s 64M disk.raw
printf 'EFI PART' | dd of=disk.raw bs=1 seek=$((64 * 1048576 - 512)) conv=notrunc status=none
for option in force_size=off force_size=on; do
  qemu-img convert -f raw -O vpc -o "$option" disk.raw disk.vhd
  qemu-img convert -f vpc -O raw disk.vhd back.raw
  creator=$(head -c 32 disk.vhd | tail -c 4)
  grown=$(($(stat -c %s back.raw) - $(stat -c %s disk.raw)))
  last=$(tail -c 512 back.raw | head -c 8 | tr -d '\0')
  echo "seen: $option: creator \"$creator\", longer by $grown bytes, last sector begins with \"$last\""
  case $option in
    *off) [ "$creator" = qemu ] && [ "$grown" -gt 0 ] && [ -z "$last" ] || gone "the disk grows" ;;
    *on) [ "$creator" = qem2 ] && [ "$grown" = 0 ] && [ "$last" = "EFI PART" ] || gone "force_size keeps the size" ;;
  esac
done
