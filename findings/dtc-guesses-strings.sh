#!/usr/bin/env bash
# What:    a device tree's property of numbers, compiled and shown again.
# Version: device-tree-compiler 1.6.1-4+b1 (Debian 12).
# Guess:   numbers in, numbers out; at least fdtget, which names one property, gives the cells.
# Seen:    a blob has no types, so dtc and fdtget guess from the bytes: <0x41424300> comes out as "ABC", and its neighbour <0x41424301> as a
#          number. A list of strings comes out as one string with \0 in it. Only fdtget's "-t x" is safe.
# Matters: a test that reads a generated tree's registers through these tools breaks at single addresses, those that look like text: an
#          interrupt-map or reg that was right for months. Ask for the type, or compare bytes.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages device-tree-compiler=1.6.1-4+b1

echo '/dts-v1/; / { text-like = <0x41424300>; next = <0x41424301>; list = "a", "b"; };' >tree.dts
dtc -q -I dts -O dtb -o tree.dtb tree.dts
dtc -q -I dtb -O dts tree.dtb | tee back.dts
grep -q 'text-like = "ABC";' back.dts || gone "dtc shows <0x41424300> as a string"
grep -q 'next = <0x41424301>;' back.dts || gone "dtc shows <0x41424301> as a number"
grep -qF 'list = "a\0b";' back.dts || gone "dtc shows two strings as one"

guessed=$(fdtget tree.dtb / text-like)
told=$(fdtget -t x tree.dtb / text-like)
echo "seen: fdtget says $guessed, with -t x $told"
[ "$guessed $told" = "ABC 41424300" ] || gone "fdtget shows <0x41424300> as a string"
