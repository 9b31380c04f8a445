#!/usr/bin/env bash
# TCP throughput between a Debian guest and the host, against QEMU TCG's user network with the same virtio-net driver.
# Needs iperf3, cpio and qemu-system-x86_64. usage: benchmarks/network.sh [SECONDS]
set -euo pipefail
seconds=${1:-5}
port=5301
root=$(dirname "$(dirname "$(readlink -f "$0")")")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/strata/debian-tiny
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT

"$root/strata" image pull
iperf=$(command -v iperf3)
for file in "$iperf" $(ldd "$iperf" | grep -o '/[^ ]*'); do
  mkdir -p "$work/root$(dirname "$file")"
  cp -L "$file" "$work/root$file"
done
(cd "$work/root" && find . | cpio -o -H newc --quiet) >"$work/extra"
cat "$cache/initrd" "$work/extra" >"$work/initrd"
iperf3 -s -p "$port" >/dev/null &
server=$!

client="iperf3 -c 10.0.2.2 -p $port -t $seconds -f m"
append="console=ttyS0 quiet panic=-1 strata.run=\"$client; $client -R\""
receiver() { grep receiver | awk '{ print $(NF - 2) }' | tr '\n' ' '; }

strata=$("$root/strata" run --kernel "$cache/vmlinuz" --initrd "$work/initrd" --append "$append" </dev/null | receiver)
qemu=$(qemu-system-x86_64 -accel tcg -m 512 -nographic -no-reboot -kernel "$cache/vmlinuz" -initrd "$work/initrd" -append "$append" \
  -netdev user,id=n -device virtio-net-pci,disable-legacy=on,netdev=n </dev/null | receiver)
echo "$strata $qemu" | awk '{
  printf "guest -> host: Strata %s Mbit/s, QEMU TCG %s Mbit/s, ratio %.1f\n", $1, $3, $1 / $3
  printf "host -> guest: Strata %s Mbit/s, QEMU TCG %s Mbit/s, ratio %.1f\n", $2, $4, $2 / $4
}'
