#!/usr/bin/env bash
# Builds guestbench as an initramfs, takes debian-tiny's kernel, and measures Strata against QEMU TCG in one run.
# Arguments are passed to measure.py. Needs gcc, cpio, python3 and qemu-system-x86.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
for tool in gcc cpio python3 qemu-system-x86_64; do
  command -v "$tool" >/dev/null || { echo "bench: $tool is missing; install gcc, cpio, python3 and qemu-system-x86" >&2; exit 2; }
done
[ -x artifacts/strata/Strata.Cli ] || ./build.sh publish
./strata image pull
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -O2 -static -pthread -o "$work/init" benchmarks/guest/guestbench.c -lm
(cd "$work" && echo init | cpio -o -H newc --quiet >"$work/guestbench.cpio")
python3 benchmarks/measure.py "${XDG_CACHE_HOME:-$HOME/.cache}/strata/debian-tiny/vmlinuz" "$work/guestbench.cpio" "$@"
