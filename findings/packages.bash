# Sourced by the scripts of this folder. It unpacks pinned Debian 12 packages, and what they depend on and the host lacks, into a
# temporary folder that becomes the working folder. Nothing is installed. Another version is used, and named, where the pinned one is gone.
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

# packages NAME=VERSION...: their programs come first in PATH; $root is where their files are.
packages() {
  local spec name offered found wanted=()
  root=$work/root
  mkdir -p deb/partial "$root"
  [ -n "$(apt-cache madison "${1%%=*}")" ] || apt-get update -qq >apt.log 2>&1 || { cat apt.log >&2; exit 2; }
  for spec; do
    name=${spec%%=*}
    offered=$(apt-cache madison "$name" | tr -d ' ' | cut -d '|' -f 2)
    if grep -qxF "${spec#*=}" <<<"$offered"; then wanted+=("$spec"); else wanted+=("$name"); fi
  done
  apt-get install -qqy --download-only --reinstall --no-install-recommends --allow-downgrades -o Debug::NoLocking=1 \
    -o Dir::Cache::archives="$work/deb" "${wanted[@]}" >apt.log 2>&1 || { cat apt.log >&2; exit 2; }
  for found in deb/*.deb; do dpkg-deb -x "$found" "$root"; done
  for spec; do
    name=${spec%%=*}
    found=$(dpkg-deb -f deb/"$name"_*.deb Version)
    echo "package: $name $found"
    [ "$found" = "${spec#*=}" ] || echo "note: this script was written for $spec"
  done
  export PATH="$root/usr/bin:$root/usr/sbin:$root/sbin:$PATH"
  export LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu"
}

# gone TEXT: ends the script when the behaviour is not there.
gone() {
  echo "no longer seen: $*" >&2
  exit 1
}
