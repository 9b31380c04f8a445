#!/usr/bin/env bash
# What:    the network boot ROM that a guest of QEMU finds behind a virtio card's ROM BAR: the card's own, and the same file by romfile=.
# Version: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3, ipxe-qemu 1.0.0+git-20190125.36a4c85-5.1 (Debian 12).
# Guess:   it is the file efi-virtio.rom, and naming the file that is taken anyway changes nothing.
# Seen:    by itself QEMU writes the card's device number, 1000h for the transitional one, over the file's 1041h, and evens the sum out
#          at byte 6: the guest's ROM differs in 2 bytes. With romfile= and the same file it differs in none.
# Matters: SeaBIOS skips a ROM whose numbers are not the card's. Another monitor that serves the file as it is, or a user who names it,
#          gets no network boot from a transitional card.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 qemu-system-common=1:7.2+dfsg-7+deb12u18+b3 \
  qemu-system-data=1:7.2+dfsg-7+deb12u18 seabios=1.16.2-1 ipxe-qemu=1.0.0+git-20190125.36a4c85-5.1

rom=$root/usr/lib/ipxe/qemu/efi-virtio.rom
size=$(stat -c %s "$rom")
# The monitor gives the card of slot 2 its ROM at e0000000h, as a firmware would, and saves what is there.
for given in default named; do
  card=virtio-net-pci,addr=2
  [ $given = default ] || card+=,romfile=$rom
  timeout 120 qemu-system-x86_64 -M pc -accel tcg -m 32 -nodefaults -display none -S -L "$root/usr/share/seabios" \
    -L "$root/usr/share/qemu" -L "$root/usr/lib/ipxe/qemu" -device "$card" -monitor stdio >monitor.log 2>&1 <<MONITOR || true
o /4 0xcf8 0x80001004
o /2 0xcfc 2
o /4 0xcf8 0x80001030
o /4 0xcfc 0xe0000001
pmemsave 0xe0000000 $size "$given.rom"
quit
MONITOR
  [ -s $given.rom ] || { cat monitor.log >&2; exit 2; }
done

python3 - "$rom" default.rom named.rom >seen <<'PYTHON'
import pathlib, sys
file, *guests = (pathlib.Path(name).read_bytes() for name in sys.argv[1:])
def described(image):
    at = int.from_bytes(image[0x18:0x1A], "little")
    changed = [at for at in range(len(file)) if file[at] != image[at]]
    return f"{image[at + 7]:02x}{image[at + 6]:02x} {len(changed)} {sum(image[:image[2] * 512]) & 255}"
print(", ".join(described(image) for image in (file, *guests)))
PYTHON
echo "seen: device number, bytes that are not the file's, and sum, in the file, by itself, by romfile=: $(cat seen)"
[ "$(cat seen)" = "1041 0 0, 1000 2 0, 1041 0 0" ] || gone "QEMU changes its own choice of ROM and not a named one"
