#!/usr/bin/env bash
# Builds guestbench as a program and as an initramfs, makes sure of debian-tiny, and measures. Arguments go to measure.py,
# or with --real among them to real.py, which measures programs of Debian instead.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

need() {
  command -v "$1" >/dev/null || { echo "bench: $1 is missing; apt-get install $2" >&2; exit 2; }
}

need python3 python3
measure=measure.py
case " $* " in *" --real "*) measure=real.py ;; esac
case " $* " in *" --help "* | *" -h "*) exec python3 benchmarks/$measure --help ;; esac
if [ $measure = real.py ]; then
  [ -x artifacts/strata/Strata.Cli ] || ./build.sh publish >&2
  exec python3 benchmarks/real.py "$@"
fi
need gcc gcc
need cpio cpio
[ -x artifacts/strata/Strata.Cli ] || ./build.sh publish >&2
./strata image pull
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -O2 -static -pthread -o "$work/init" benchmarks/guest/guestbench.c -lm
(cd "$work" && echo init | cpio -o -H newc --quiet >guestbench.cpio)
python3 benchmarks/measure.py "$@" --guestbench "$work" --image "${XDG_CACHE_HOME:-$HOME/.cache}/strata/debian-tiny"
