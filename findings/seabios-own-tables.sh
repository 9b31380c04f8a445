#!/usr/bin/env bash
# What:    the ACPI tables that SeaBIOS leaves in memory when the machine offers it none (no file etc/table-loader in fw_cfg).
# Version: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3, seabios 1.16.2-1 (Debian 12). Machine pc-i440fx-1.6 offers no tables, pc does.
# Guess:   no tables offered, no ACPI; or the same chipset, hence the same port for its PM timer.
# Seen:    SeaBIOS builds a FADT of its own. Its PM timer is at b008h where the offered one says 608h: the firmware also puts the
#          chipset's power management block elsewhere. Both carry the OEM ID "BOCHS ", in memory of a machine that is no Bochs.
# Matters: a monitor that fixes its PM timer at 608h loses the guest's clock as soon as its tables do not reach SeaBIOS; the OEM ID does
#          not tell whose tables a guest has read. The block must follow the firmware's write to PMBASE.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 qemu-system-common=1:7.2+dfsg-7+deb12u18+b3 \
  qemu-system-data=1:7.2+dfsg-7+deb12u18 seabios=1.16.2-1

# fadt FILE: OEM ID and PM timer's port of the FADT in a memory dump.
fadt() {
  perl -e 'local $/; $_ = <>; while (/FACP/g) {
    my $at = pos() - 4;
    my ($length, $oem, $timer) = (unpack("V", substr($_, $at + 4)), substr($_, $at + 10, 6), unpack("V", substr($_, $at + 76)));
    my $sum = unpack("%8C*", substr($_, $at, $length));
    if ($length >= 116 && $length <= 276 && $sum == 0) { printf "\"%s\" %x\n", $oem, $timer; last }
  }' "$1"
}

for machine in pc-i440fx-1.6 pc; do
  (
    # The firmware is done when the dump has a FADT: look every second.
    for _ in $(seq 60); do
      sleep 1
      echo "pmemsave 0 0x2000000 \"$machine.memory\""
      sleep 0.5
      [ -n "$(fadt "$machine.memory" 2>/dev/null)" ] && break
    done
    echo quit
  ) | timeout 120 qemu-system-x86_64 -M "$machine" -accel tcg -m 32 -nodefaults -display none -L "$root/usr/share/seabios" \
    -L "$root/usr/share/qemu" -monitor stdio >monitor.log 2>&1 || { cat monitor.log >&2; exit 2; }
  echo "seen: $machine: OEM ID and PM timer: $(fadt "$machine.memory")"
done
[ "$(fadt pc-i440fx-1.6.memory)" = '"BOCHS " b008' ] || gone "SeaBIOS's own FADT has its PM timer at b008h"
[ "$(fadt pc.memory)" = '"BOCHS " 608' ] || gone "the offered FADT has its PM timer at 608h"
