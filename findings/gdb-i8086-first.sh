#!/usr/bin/env bash
# What:    gdb that is told "set architecture i8086" before it attaches to a PC that stands at its reset vector, in real mode.
# Version: gdb 13.1-3, qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3, seabios 1.16.2-1 (Debian 12).
# Guess:   that is what the command is for; registers and memory are shown, and x/i disassembles 16-bit code.
# Seen:    the stub's target description says i386:x86-64, which gdb finds incompatible with i8086: it goes on "with the default i8086
#          settings", has no registers and reads no memory. Without the command both are there.
# Matters: a stub that sends one description for all modes of the processor cannot serve gdb's 16-bit mode; a user is better told to
#          attach first.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages gdb=13.1-3 qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 qemu-system-common=1:7.2+dfsg-7+deb12u18+b3 \
  qemu-system-data=1:7.2+dfsg-7+deb12u18 seabios=1.16.2-1

attach() { # the commands before, into the file log
  timeout 120 qemu-system-x86_64 -accel tcg -m 32 -nodefaults -display none -S -L "$root/usr/share/seabios" -L "$root/usr/share/qemu" \
    -gdb unix:stub,server=on,wait=off >qemu.log 2>&1 &
  for _ in $(seq 300); do [ -S stub ] && break; sleep 0.1; done
  [ -S stub ] || { cat qemu.log >&2; exit 2; }
  timeout 60 gdb -nx -batch "$@" -ex "target remote stub" -ex 'info registers cs' -ex 'x/4xb 0xffff0' >log 2>&1 || true
  kill $! && wait $! || true
  rm -f stub
}

attach
grep -Eq '^cs +0xf000' log && grep -q '^0xffff0' log || { cat log >&2; gone "registers and memory without the command"; }
grep -E '^(cs|0xffff0)' log | sed 's/^/seen: without: /'

attach -ex 'set architecture i8086'
grep -E 'warning: Selected|has no registers|Cannot access' log | sed 's/^/seen: with: /'
grep -q 'has no registers' log || gone "no registers after set architecture i8086"
! grep -Eq '^0xffff0.*0x[0-9a-f]{2}.*0x' log || gone "no memory after set architecture i8086"
