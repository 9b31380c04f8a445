#!/usr/bin/env bash
# What:    an SMBIOS 2.8 entry point whose own checksum is wrong, while that of its inner part ("_DMI_") is right.
# Version: dmidecode 3.4-1 (Debian 12).
# Guess:   dmidecode says that the checksum is wrong, or finds no tables.
# Seen:    when it searches the memory below 1 MiB, it steps over the wrong "_SM_" without a word, takes the "_DMI_" 16 bytes further for an
#          entry point of old and prints every table; only the head line says "Legacy DMI 2.8". The same bytes as a dump: nothing found.
# Matters: a monitor whose tables were checked with dmidecode alone can have a checksum that Linux and Windows refuse.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages dmidecode=3.4-1

# entry OFFSET ERROR: an entry point, its tables at 32 bytes behind it, for memory at OFFSET.
entry() {
  perl -e 'my ($offset, $error) = @ARGV;
    my $tables = pack("CCv C4 C16 CC C", 1, 27, 256, 1, 2, 0, 0, (0) x 16, 6, 0, 0) . "Acme\0Box\0\0";
    $tables .= pack("CCv", 127, 4, 257) . "\0\0";
    my $inner = "_DMI_\0" . pack("vVvC", length($tables), $offset + 32, 2, 0x28);
    substr($inner, 5, 1) = chr(-unpack("%8C*", $inner) & 255);
    my $entry = "_SM_\0" . pack("CCCvC", 31, 2, 8, 64, 0) . "\0" x 5 . $inner;
    substr($entry, 4, 1) = chr(($error - unpack("%8C*", $entry)) & 255);
    print $entry, "\0", $tables' "$1" "$2"
}

for error in 0 1; do
  truncate -s 0 memory && truncate -s 1M memory
  entry $((0xF0000)) "$error" | dd of=memory bs=1 seek=$((0xF0000)) conv=notrunc status=none
  dmidecode --no-sysfs --dev-mem memory >searched.$error 2>&1
  entry 0 "$error" >dump
  dmidecode --from-dump dump >dumped.$error 2>&1 || true
  echo "seen: error $error: searched: $(grep -E 'present|Manufacturer|[Cc]hecksum|No SMBIOS' searched.$error | tr -s '\t\n' ' ')"
  echo "seen: error $error: dumped: $(grep -E 'present|Manufacturer|[Cc]hecksum|No SMBIOS' dumped.$error | tr -s '\t\n' ' ')"
done
grep -q '^SMBIOS 2.8 present' searched.0 && grep -q '^SMBIOS 2.8 present' dumped.0 || gone "the right entry point is read"
grep -q 'Legacy DMI 2.8 present' searched.1 && grep -q 'Manufacturer: Acme' searched.1 || gone "the wrong one is stepped over"
! grep -qi checksum searched.1 || gone "nothing is said of the checksum"
grep -q 'No SMBIOS nor DMI entry point found' dumped.1 || gone "as a dump, the same bytes are refused"
