#!/usr/bin/env bash
# What:    GNU Mach's kernel in the package "gnumach-image-1.8-486" of Debian 12 for amd64.
# Version: gnumach-image-1.8-486 2:1.8+git20221224-2, binutils 2.40-2 (Debian 12, amd64).
# Guess:   the name says 486, and Mach is a 32-bit kernel: what amd64 and i386 have under one name and version is the same program.
# Seen:    amd64's is an ELF file of 64 bits for x86-64, with its text above 1 GiB and a part of its own at 16 MiB that gets there from Multiboot's
#          32-bit state. Its package description says nothing of it.
# Matters: a Multiboot loader must take ELF files of 64 bits and load by physical address; and whoever tests with amd64's package has not run
#          the kernel that Debian's Hurd for i386 boots.
# Here:    OtherKernelTests take the i386 package.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages gnumach-image-1.8-486=2:1.8+git20221224-2 binutils=2.40-2

gunzip -c "$root/boot/gnumach-1.8-486.gz" >kernel
readelf -h kernel >head
readelf -lW kernel >segments
echo "seen: $(sed -n 's/^ *Class: *//p' head), $(sed -n 's/^ *Machine: *//p' head), $(sed -n 's/^ *Entry point address: */entry /p' head)"
grep -q 'Class: *ELF64' head || gone "a file of 64 bits"
grep -q 'Machine: *Advanced Micro Devices X86-64' head || gone "for x86-64"
grep -Eq 'LOAD +0x[0-9a-f]+ 0x0000000041[0-9a-f]+ 0x0000000001' segments || gone "text above 1 GiB, loaded at 16 MiB"
! dpkg-deb -f deb/gnumach-image-1.8-486_*.deb Description | grep -qi '64' || gone "a description that does not say so"
