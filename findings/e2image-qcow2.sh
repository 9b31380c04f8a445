#!/usr/bin/env bash
# What:    a qcow2 image that e2fsprogs writes ("e2image -Qa"), as QEMU's tools see it.
# Version: e2fsprogs 1.47.0-2+b2, qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (Debian 12).
# Guess:   an image like those of qemu-img: clusters of 64 KiB, and a check that finds nothing.
# Seen:    version 2 with clusters as large as the file system's blocks, 1,024 or 4,096 bytes, and "qemu-img check" finds one leaked cluster
#          and ends with 3, on an image that nobody has touched.
# Matters: a reader that takes small clusters for damage, or a script that takes 3 for a broken disk, refuses every such image. The data
#          are there: what the file system has in use is the same in both.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages e2fsprogs=1.47.0-2+b2 qemu-utils=1:7.2+dfsg-7+deb12u18+b3

for block in 1024 4096; do
  truncate -s 64M disk.raw
  mke2fs -q -F -t ext4 -b $block disk.raw
  head -c 100000 /dev/urandom >file
  debugfs -w -R "write file file" disk.raw >log 2>&1 || { cat log >&2; exit 2; }
  e2image -Qa disk.raw disk.qcow2 >log 2>&1 || { cat log >&2; exit 2; }

  cluster=$(qemu-img info --output json disk.qcow2 | sed -n 's/.*"cluster-size": \([0-9]*\).*/\1/p')
  status=0
  qemu-img check disk.qcow2 >check 2>&1 || status=$?
  echo "seen: blocks of $block: clusters of $cluster, check ends with $status: $(grep -i leaked check | head -1)"
  [ "$cluster" = "$block" ] || gone "clusters of $block bytes"
  [ "$status" = 3 ] || gone "a leaked cluster in a fresh image"

  qemu-img convert -O raw disk.qcow2 back.raw
  debugfs -R "dump file back" back.raw >log 2>&1
  cmp file back || gone "the file is whole"
  rm -f disk.raw disk.qcow2 back.raw
done
