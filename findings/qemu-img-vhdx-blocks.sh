#!/usr/bin/env bash
# What:    the block size of a VHDX that qemu-img makes without being told one.
# Version: qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (Debian 12).
# Guess:   one default for all.
# Seen:    it depends on the disk's size: 8 MiB up to 1 GiB, 16 MiB up to 100 GiB, 32 MiB above.
# Matters: the block size gives the chunk ratio and with it where the sector bitmaps sit between the entries of the block allocation table.
#          A reader that was tested with one small file has met one ratio of three.
# Here:    VhdxBlockSizeTests reads images with each of the three.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-utils=1:7.2+dfsg-7+deb12u18+b3

while read -r size mebibytes; do
  qemu-img create -q -f vhdx disk.vhdx "$size"
  block=$(qemu-img info --output json disk.vhdx | awk -F'[:,]' '/"cluster-size"/ { print $2 / 1048576 }')
  ratio=$((8388608 * 512 / (block * 1048576)))
  echo "seen: disk of $size: blocks of $block MiB, one sector bitmap after $ratio blocks"
  [ "$block" = "$mebibytes" ] || gone "a disk of $size has blocks of $mebibytes MiB"
done <<'SIZES'
64M 8
1G 8
1025M 16
100G 16
101G 32
2T 32
SIZES
