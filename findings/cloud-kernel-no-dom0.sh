#!/usr/bin/env bash
# What:    Debian's cloud kernel as the first domain of Xen.
# Version: linux-image-6.1.0-57-cloud-amd64 6.1.192-3, beside linux-image-6.1.0-57-amd64 (Debian 12).
# Guess:   it starts under Xen (XEN_PV, XEN_PVH are set, the ELF notes are there), so Xen and it make a host.
# Seen:    XEN_DOM0 is not set: under Xen it comes up as a guest's kernel, without ACPI, interrupts or disks of the machine. The generic
#          kernel of the same version has XEN_DOM0.
# Matters: Xen on a small disk with the smallest kernel at hand ends without a root file system and says nothing of domains.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages linux-image-6.1.0-57-cloud-amd64=6.1.192-3 linux-image-6.1.0-57-amd64=6.1.192-3

for kernel in 6.1.0-57-cloud-amd64 6.1.0-57-amd64; do
  for option in XEN_PV XEN_PVH XEN_DOM0; do
    echo "seen: $kernel: $option: $(sed -n "s/^CONFIG_$option=//p" "$root/boot/config-$kernel" | grep . || echo no)"
  done
done
for option in XEN_PV XEN_PVH; do
  grep -q "^CONFIG_$option=y" "$root/boot/config-6.1.0-57-cloud-amd64" || gone "the cloud kernel has $option"
done
grep -q '^CONFIG_XEN_DOM0=y' "$root/boot/config-6.1.0-57-amd64" || gone "the generic kernel has XEN_DOM0"
! grep -q '^CONFIG_XEN_DOM0=y' "$root/boot/config-6.1.0-57-cloud-amd64" || gone "the cloud kernel has no XEN_DOM0"
