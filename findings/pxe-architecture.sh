#!/usr/bin/env bash
# What:    how the x86 network boot firmwares name themselves in DHCP: options 93 (architecture) and 77 (user class).
# Version: ovmf 2022.11-6+deb12u2, ipxe-qemu 1.0.0+git-20190125.36a4c85-5.1, seabios 1.16.2-1, QEMU 7.2 (Debian 12).
# Guess:   as the list in RFC 4578 says: 64-bit x86 UEFI is 9 ("EFI x86-64"), and 7 is "EFI BC" (byte code).
# Seen:    OVMF (64 bits) and iPXE under it send 7; iPXE on SeaBIOS sends 0. Option 77 is "iPXE" in both, and absent from OVMF's client.
# Matters: a boot server that goes by the RFC's list has no file for these guests: 7 and 9 must both mean 64-bit UEFI. Only option 77 tells
#          the guest that needs a loader from the loader that needs its script.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 qemu-system-common=1:7.2+dfsg-7+deb12u18+b3 \
  qemu-system-data=1:7.2+dfsg-7+deb12u18 seabios=1.16.2-1 ovmf=2022.11-6+deb12u2 ipxe-qemu=1.0.0+git-20190125.36a4c85-5.1

# asked FILE: "architecture user-class" of each DHCPDISCOVER in a capture.
asked() {
  perl -e 'local $/; $_ = <>; while (/\x63\x82\x53\x63/g) {
    my ($at, %option) = (pos(), 77 => "none");
    while ($at < length && (my $code = ord(substr($_, $at, 1))) != 255) {
      my $length = $code ? ord(substr($_, $at + 1, 1)) : -1;
      $option{$code} = substr($_, $at + 2, $length) if $code;
      $at += 2 + $length;
    }
    print unpack("n", $option{93}), " $option{77}\n" if $option{53} eq "\1" && defined $option{93};
  }' "$1" 2>/dev/null | sort -u
}

share=$root/usr/share
for client in bios-ipxe uefi-ipxe uefi-own; do
  machine=(-M pc -L "$share/seabios" -L "$share/qemu" -L "$root/usr/lib/ipxe/qemu")
  [ $client = bios-ipxe ] || machine+=(-bios "$share/ovmf/OVMF.fd")
  card=virtio-net-pci,netdev=net,bootindex=1
  [ $client != uefi-own ] || card+=,romfile=
  timeout 200 qemu-system-x86_64 "${machine[@]}" -accel tcg -m 128 -nodefaults -display none -netdev user,id=net,restrict=on \
    -device "$card" -object "filter-dump,id=dump,netdev=net,file=$client.pcap" >log 2>&1 &
  for _ in $(seq 190); do
    sleep 1
    [ -z "$(asked $client.pcap)" ] || break
  done
  kill $! && wait $! || true
  echo "seen: $client: options 93 and 77: $(asked $client.pcap)"
done
[ "$(asked bios-ipxe.pcap)" = "0 iPXE" ] || gone "iPXE on SeaBIOS sends 0"
[ "$(asked uefi-ipxe.pcap)" = "7 iPXE" ] || gone "iPXE under OVMF sends 7"
[ "$(asked uefi-own.pcap)" = "7 none" ] || gone "OVMF's own client sends 7"
