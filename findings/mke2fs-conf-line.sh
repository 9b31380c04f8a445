#!/usr/bin/env bash
# What:    a section of mke2fs.conf that stands in one line.
# Version: e2fsprogs 1.47.0-2+b2 (Debian 12).
# Guess:   braces are braces: "ext4 = { features = has_journal }" is the same as over three lines.
# Seen:    mke2fs calls it a syntax error ("Unknown code prof 15"); over three lines the same words make a file system.
# Matters: who builds images with a configuration of their own, so that the host's does not show in them, writes it over several lines.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages e2fsprogs=1.47.0-2+b2

printf '[fs_types]\next4 = { features = has_journal,extent }\n' >one.conf
printf '[fs_types]\next4 = {\nfeatures = has_journal,extent\n}\n' >three.conf
status=0
MKE2FS_CONFIG=$PWD/one.conf mke2fs -q -F -t ext4 one.img 16M >log 2>&1 || status=$?
echo "seen: in one line: status $status: $(tail -1 log)"
[ "$status" != 0 ] || gone "a section in one line is refused"
MKE2FS_CONFIG=$PWD/three.conf mke2fs -q -F -t ext4 three.img 16M 2>log || gone "a section over three lines is taken"
echo "seen: over three lines: $(stat -c %s three.img) bytes"
