#!/usr/bin/env bash
# What:    disks that Bochs' bximage makes, as QEMU, which lists the format "bochs", sees them.
# Version: bximage 2.7+dfsg-4+deb12u1, qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (Debian 12).
# Guess:   "-hd=40M" is a disk of 40 MiB, and QEMU's "bochs" reads what Bochs writes.
# Seen:    a disk has 41,803,776 bytes: the size is cut down to whole cylinders of 16 heads and 63 sectors, also for a flat file. QEMU
#          reads the kind "growing". The kind "sparse" it takes, without a word, for a raw disk of 32,768 bytes: the file's own tables.
# Matters: an image that is not recognised is not refused but shown to the guest as another disk. A monitor that probes formats must
#          also know the first bytes of those that it cannot read.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages bximage=2.7+dfsg-4+deb12u1 qemu-utils=1:7.2+dfsg-7+deb12u18+b3

for expected in "flat raw 41803776" "growing bochs 41803776" "sparse raw 32768"; do
  kind=${expected%% *}
  bximage -q -func=create -hd=40M -imgmode="$kind" "disk.$kind" >log || { cat log >&2; exit 2; }
  seen=$(qemu-img info --output json "disk.$kind" | awk -F'[:,"]+' '
    $2 == "format" { format = $3 == " " ? $4 : $3 }
    $2 == "virtual-size" { size = $3 + 0 }
    END { print format, size }')
  echo "seen: $kind: QEMU sees $seen"
  [ "$kind $seen" = "$expected" ] || gone "$expected"
done
! qemu-img info -f bochs disk.sparse >message 2>&1 || gone "QEMU's bochs driver refuses the kind sparse"
cat message
