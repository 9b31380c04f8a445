#!/usr/bin/env bash
# What:    the word that names an internal qcow2 snapshot on qemu-img's command line: its ID or its tag.
# Version: qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (Debian 12).
# Guess:   one word means one snapshot, whichever option it follows.
# Seen:    where a snapshot's tag is another one's ID, "-a 1" (apply) takes the ID and "-d 1" (delete) takes the tag. An ID alone can be
#          applied and cannot be deleted. A tag may be given twice, without a word.
# Matters: a monitor that hands on its users' snapshot names lets them restore one state and delete another: refuse tags of digits only.
# Here:    Qcow2Image refuses to make a snapshot whose name is the tag or the ID of another.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-utils=1:7.2+dfsg-7+deb12u18+b3

qemu-img create -q -f qcow2 disk.qcow2 1M
content=0
for tag in first second 1; do
  content=$((content + 1))
  qemu-io -f qcow2 -c "write -q -P $content 0 512" disk.qcow2
  qemu-img snapshot -c "$tag" disk.qcow2
done
qemu-img snapshot -l disk.qcow2

qemu-img snapshot -a 1 disk.qcow2
qemu-io -f qcow2 -c "read -q -P 1 0 512" disk.qcow2 >/dev/null || gone "-a 1 applies the snapshot with ID 1"
echo "seen: -a 1 applied ID 1, tag \"first\""

qemu-img snapshot -a 2 disk.qcow2
! qemu-img snapshot -d 2 disk.qcow2 2>/dev/null || gone "-d 2 finds no snapshot, as IDs are not looked at"
echo "seen: -a 2 applied ID 2, -d 2 does not find it"

qemu-img snapshot -d 1 disk.qcow2
left=$(qemu-img snapshot -l disk.qcow2 | awk 'NR > 2 { printf "%s:%s ", $1, $2 }')
[ "$left" = "1:first 2:second " ] || gone "-d 1 deletes the snapshot with tag 1 (left: $left)"
echo "seen: -d 1 deleted ID 3, tag \"1\"; left: $left"

qemu-img snapshot -c first disk.qcow2
[ "$(qemu-img snapshot -l disk.qcow2 | awk '$2 == "first"' | wc -l)" = 2 ] || gone "two snapshots may have one tag"
echo "seen: a second snapshot with the tag \"first\" was made"
