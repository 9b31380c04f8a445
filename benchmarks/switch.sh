#!/usr/bin/env bash
# TCP throughput between two Debian guests of two processes on a named switch, against two QEMU TCG with a socket between them.
# Needs iperf3, cpio and qemu-system-x86_64. usage: benchmarks/switch.sh [SECONDS [RUNS]]
set -euo pipefail
seconds=${1:-5}
runs=${2:-3}
root=$(dirname "$(dirname "$(readlink -f "$0")")")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/strata/debian-tiny
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
export XDG_RUNTIME_DIR=$work
chmod 700 "$work"

"$root/strata" image pull
iperf=$(command -v iperf3)
for file in "$iperf" $(ldd "$iperf" | grep -o '/[^ ]*'); do
  mkdir -p "$work/root$(dirname "$file")"
  cp -L "$file" "$work/root$file"
done
(cd "$work/root" && find . | cpio -o -H newc --quiet) >"$work/extra"
cat "$cache/initrd" "$work/extra" >"$work/initrd"

address() { echo "until ip link set eth0 up; do sleep 0.2; done; ip addr add 10.9.0.$1/24 dev eth0"; }
append() { echo "console=ttyS0 quiet panic=-1 strata.run=\"$1\""; }
server_line="$(address 1); iperf3 -s -1; iperf3 -s -1; sleep 1"
client="iperf3 -c 10.9.0.1 -t $seconds -f m"
client_line="$(address 2); until ping -c 1 -W 1 10.9.0.1; do sleep 1; done; sleep 1; $client; sleep 1; $client -R"
receiver() { grep receiver | awk '{ print $(NF - 2) }' | tr '\n' ' '; }

strata() { "$root/strata" run --kernel "$cache/vmlinuz" --initrd "$work/initrd" --append "$(append "$1")" --net switch=bench </dev/null; }
qemu() {
  qemu-system-x86_64 -accel tcg -m 512 -nographic -no-reboot -kernel "$cache/vmlinuz" -initrd "$work/initrd" -append "$(append "$1")" \
    -netdev "stream,id=n,server=$2,addr.type=unix,addr.path=$work/wire" -device virtio-net-pci,disable-legacy=on,netdev=n,mac="$3" </dev/null
}

for ((i = 0; i < runs; i++)); do
  strata "$server_line" >"$work/server.log" & server=$!
  sleep 1
  result=$(strata "$client_line" | receiver)
  wait "$server"
  echo "$result" | awk '{ printf "Strata:   first -> second %s Mbit/s, second -> first %s Mbit/s\n", $2, $1 }'
  qemu "$server_line" on 52:54:00:00:00:01 >"$work/server.log" & server=$!
  sleep 1
  result=$(qemu "$client_line" off 52:54:00:00:00:02 | receiver)
  wait "$server"
  server=
  echo "$result" | awk '{ printf "QEMU TCG: first -> second %s Mbit/s, second -> first %s Mbit/s\n", $2, $1 }'
done
