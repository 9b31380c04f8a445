#!/usr/bin/env bash
# What:    the header and the end of a streamOptimized VMDK that qemu-img writes.
# Version: qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (Debian 12).
# Guess:   a stream: version 1 or 2, gdOffset all ones (the directory comes last), a footer and an end-of-stream marker.
# Seen:    version 3, flags 30003h (compressed grains and markers), a true gdOffset right in the header, and the file ends with a grain's
#          data: no footer, no end-of-stream marker.
# Matters: a reader that looks for the footer of every file with the marker flag refuses what qemu-img makes, or reads a grain as a footer.
# Here:    VmdkStreamTests reads streams that qemu-img made.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-utils=1:7.2+dfsg-7+deb12u18+b3

head -c 3M /dev/urandom >disk.raw
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized disk.raw disk.vmdk
number() { od -An -v -t "u$2" -j "$1" -N "$2" disk.vmdk | tr -d ' '; }

version=$(number 4 4)
flags=$(number 8 4)
directory=$(number 56 8)
printf 'seen: version %d, flags %xh, gdOffset sector %s\n' "$version" "$flags" "$directory"
[ "$version" = 3 ] || gone "the version is 3"
[ "$flags" = $((0x30003)) ] || gone "the flags are 30003h"
[ "$directory" -gt 0 ] && [ $((directory * 512)) -lt "$(stat -c %s disk.vmdk)" ] || gone "gdOffset points into the file"

# A stream ends with footer marker, footer ("KDMV") and an end marker of zeros: 1,536 bytes.
tail -c 1024 disk.vmdk | head -c 4 | grep -qv KDMV || gone "no footer precedes the last sector"
tail -c 512 disk.vmdk | tr -d '\0' | grep -q . || gone "the last sector is no end-of-stream marker"
[ "$(grep -abo KDMV disk.vmdk | wc -l)" = 1 ] || gone "there is one header in the file"
echo "seen: the file of $(stat -c %s disk.vmdk) bytes has no footer and no end-of-stream marker"
