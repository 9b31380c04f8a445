#!/usr/bin/env bash
# What:    the disk controllers that Debian's cloud kernel has drivers for.
# Version: linux-image-6.1.0-57-cloud-amd64 6.1.192-3 (Debian 12), beside linux-image-6.1.0-57-amd64.
# Guess:   a kernel for virtual machines drives what monitors offer: at least the AHCI that QEMU's q35 has by itself, where -cdrom ends up
#          and with it the disc of a cloud-init configuration.
# Seen:    no module takes PCI class 010601h (AHCI), and nothing built in does. The older PIIX IDE (8086:7010) and NVMe have drivers, and so
#          has the CD.
# Matters: the same disc is there on an IDE machine and is not on a SATA one. A monitor has to put a NoCloud disc on IDE or virtio.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages linux-image-6.1.0-57-cloud-amd64=6.1.192-3 linux-image-6.1.0-57-amd64=6.1.192-3

# driver KERNEL DEVICE: the modules that take a PCI device named as /sys/bus/pci/devices/*/modalias does.
driver() {
  python3 - "$root" "$1" "$2" <<'PYTHON'
import fnmatch, pathlib, sys
root, kernel, device = sys.argv[1:]
modules = pathlib.Path(root, "lib/modules", kernel)
found = set()
for module in modules.rglob("*.ko"):
    data = module.read_bytes()
    names = (line[6:].decode() for line in data.split(b"\0") if line.startswith(b"alias=pci:"))
    if any(fnmatch.fnmatchcase(device, name) for name in names):
        found.add(module.stem)
print(", ".join(sorted(found)) or "none")
PYTHON
}

ahci=pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01
ide=pci:v00008086d00007010sv00001AF4sd00001100bc01sc01i80
for kernel in 6.1.0-57-cloud-amd64 6.1.0-57-amd64; do
  for device in ahci ide; do echo "seen: $kernel: $device: $(driver $kernel "${!device}")"; done
done
grep -q '^CONFIG_BLK_DEV_SR=m' "$root/boot/config-6.1.0-57-cloud-amd64" || gone "the cloud kernel has the CD driver"
[[ $(driver 6.1.0-57-amd64 $ahci) == *ahci* ]] || gone "the generic kernel drives AHCI"
[ "$(driver 6.1.0-57-cloud-amd64 $ahci)" = none ] || gone "the cloud kernel has no driver for AHCI"
[[ $(driver 6.1.0-57-cloud-amd64 $ide) == *ata_piix* ]] || gone "the cloud kernel drives PIIX IDE"
! grep -q '^CONFIG_SATA_AHCI=y' "$root/boot/config-6.1.0-57-cloud-amd64" || gone "nor is one built in"
grep -q '^CONFIG_BLK_DEV_NVME=y' "$root/boot/config-6.1.0-57-cloud-amd64" || gone "the cloud kernel drives NVMe"
