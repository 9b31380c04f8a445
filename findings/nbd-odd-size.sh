#!/usr/bin/env bash
# What:    one NBD export of 1,000 bytes, as two clients see it.
# Version: nbdkit 1.32.5-1, libnbd-bin 1.14.2-1, qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (Debian 12).
# Guess:   the size of an export is one number, and every copy of it has that many bytes.
# Seen:    libnbd's tools say and copy 1,000 bytes; qemu-img says and copies 1,024: it rounds a size up to sectors and adds zeros at the
#          end. Its own server does the same: qemu-nbd exports a raw file of 1,000 bytes as 1,024.
# Matters: a checksum of a disk that moved over NBD depends on the client; a server of odd sizes has clients that read past its end.
# Here:    RawDisk refuses a size that is no multiple of 512.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages nbdkit=1.32.5-1 libnbd-bin=1.14.2-1 qemu-utils=1:7.2+dfsg-7+deb12u18+b3

yes x | tr -d '\n' | head -c 1000 >disk.raw || true
plugins=$root/usr/lib/x86_64-linux-gnu/nbdkit/plugins
timeout 60 nbdkit -U - "$plugins/nbdkit-file-plugin.so" disk.raw --run '
  nbdinfo --size "$uri" >size.libnbd
  nbdcopy "$uri" copy.libnbd
  qemu-img info --output json "$uri" >info.qemu
  qemu-img convert -f raw -O raw "$uri" copy.qemu'
libnbd="$(cat size.libnbd) $(stat -c %s copy.libnbd)"
qemu="$(awk -F'[:,]' '/"virtual-size"/ { print $2 + 0 }' info.qemu) $(stat -c %s copy.qemu)"
echo "seen: said and copied: libnbd $libnbd, qemu-img $qemu"
[ "$libnbd" = "1000 1000" ] || gone "libnbd's tools see 1,000 bytes"
[ "$qemu" = "1024 1024" ] || gone "qemu-img sees 1,024 bytes"

timeout 60 qemu-nbd -r -f raw -k "$work/socket" disk.raw &
for _ in $(seq 100); do [ -S socket ] && break || sleep 0.1; done
served=$(nbdinfo --size "nbd+unix:///?socket=$work/socket")
echo "seen: qemu-nbd exports the file of $(stat -c %s disk.raw) bytes as $served"
[ "$served" = 1024 ] || gone "qemu-nbd exports 1,024 bytes"
