#!/usr/bin/env bash
# What:    where the GPT's entries are on a bootable CD image with an Apple partition map, the layout of GRUB's rescue images.
# Version: xorriso 1.5.4-4 (Debian 12), with options like those that grub-mkrescue passes to it.
# Guess:   128 entries from LBA 2 on, as on every disk.
# Seen:    LBA 1 holds a GPT header that says LBA 20 and 176 entries; LBA 2 is zero. Sector 0 begins with "ER", the sign of an Apple driver
#          map, and no jump instruction.
# Matters: a monitor or tool that reads the entries at LBA 2 finds no partition, not even the EFI one, on images that install systems.
#          Read what the header says, and take 55AAh at the end, not the first bytes, for the sign of a boot sector.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages xorriso=1.5.4-4

mkdir tree
truncate -s 64K tree/efi.img
xorriso -as mkisofs -quiet -graft-points -r -hfsplus -apm-block-size 2048 -hfsplus-file-creator-type chrp tbxj /mach_kernel \
  --efi-boot efi.img -efi-boot-part --efi-boot-image --protective-msdos-label -o disk.iso tree mach_kernel=/dev/null >log 2>&1 ||
  { cat log >&2; exit 2; }
number() { od -An -v -t "u$2" -j "$1" -N "$2" disk.iso | tr -d ' '; }

first=$(head -c 2 disk.iso)
header=$(dd if=disk.iso bs=8 skip=64 count=1 status=none)
entries=$(number $((512 + 72)) 8)
count=$(number $((512 + 80)) 4)
kind=$(od -An -v -t x1 -j $((entries * 512)) -N 16 disk.iso | tr -d ' ')
echo "seen: sector 0 begins \"$first\", LBA 1 \"$header\", $count entries from LBA $entries on, first type $kind"
[ -z "$(dd if=disk.iso bs=512 skip=2 count=1 status=none | tr -d '\0')" ] || gone "LBA 2 is zero"
[ "$first" = ER ] || gone "sector 0 begins with ER"
[ "$header" = "EFI PART" ] || gone "LBA 1 is a GPT header"
[ "$entries" -gt 2 ] && [ "$count" != 128 ] || gone "the entries are elsewhere and another number"
[ "$kind" != 00000000000000000000000000000000 ] || gone "the first entry is in use"
