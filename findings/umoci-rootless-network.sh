#!/usr/bin/env bash
# What:    the namespaces in the bundle that umoci unpacks, with and without --rootless.
# Version: umoci 0.4.7+ds-3+b7 (Debian 12).
# Guess:   --rootless adds a user namespace and mapped IDs, and keeps the rest of the isolation.
# Seen:    the user namespace comes, and the network namespace goes: the bundle asks to share the host's network.
# Matters: whoever turns a bundle into a virtual machine and takes "no network namespace" for a wish gives the guest the host's network,
#          though nothing in the image asks for it.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages umoci=0.4.7+ds-3+b7

umoci init --layout image
umoci new --image image:empty
umoci unpack --rootless --image image:empty rootless >/dev/null
namespaces() {
  tr -d ' \t\n' <"$1/config.json" | grep -o '"namespaces":\[[^]]*\]' | grep -o '"type":"[a-z]*"' | cut -d '"' -f 4 | sort | xargs
}
without=$(namespaces rootless)
echo "seen: rootless: $without"
[[ " $without " == *" user "* ]] || gone "--rootless adds a user namespace"
[[ " $without " != *" network "* ]] || gone "--rootless leaves out the network namespace"
if [ "$(id -u)" = 0 ]; then
  umoci unpack --image image:empty rooted >/dev/null
  with=$(namespaces rooted)
  echo "seen: as root: $with"
  [[ " $with " == *" network "* ]] || gone "without --rootless there is one"
fi
