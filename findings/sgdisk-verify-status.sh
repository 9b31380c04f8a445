#!/usr/bin/env bash
# What:    the exit code of "sgdisk --verify" on a disk that was made larger.
# Version: gdisk 1.0.9-2.1 (Debian 12).
# Guess:   a check that finds a problem ends with another code than 0, as fsck and qemu-img check do.
# Seen:    it says "Problem: ..." and "Identified 1 problems!" and ends with 0. Only the text tells.
# Matters: growing an image leaves the second GPT header in its middle. A script that checks disks by "sgdisk -v && ..." calls every one of
#          them sound: look for "No problems found".
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages gdisk=1.0.9-2.1

truncate -s 64M disk.raw
sgdisk -n 1:0:0 disk.raw >log 2>&1
sgdisk -v disk.raw >sound
grep -q 'No problems found' sound || gone "the new disk is sound"
truncate -s 128M disk.raw
status=0
sgdisk -v disk.raw >grown || status=$?
grep -E '^Problem|^Identified' grown || gone "the misplaced second header is found"
[ "$status" = 0 ] || gone "the exit code is 0 (it is $status)"
echo "seen: exit code $status with a problem found"
