#!/usr/bin/env bash
# What:    iasl on a source with a mistake, beside the table of an earlier run that went well.
# Version: acpica-tools 20200925-8 (Debian 12).
# Guess:   exit code 1, as compilers do; and the old output stays as it was when there is no new one.
# Seen:    exit code 255, and the .aml of the earlier run is gone. Its name comes from the source's DefinitionBlock.
# Matters: a build that keeps the last good table for a running guest loses it with a typing mistake, and "status 1" as the sign of an error
#          never comes. Compile into a fresh folder (-p) and move the table.
# Here:    AcpiCompilerTests takes every exit code but 0 as an error.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages acpica-tools=20200925-8

echo 'DefinitionBlock ("named.aml", "SSDT", 2, "OEMID", "TABLE", 1) { Name (VAL, 1) }' >source.asl
iasl source.asl >log 2>&1
[ -s named.aml ] && [ ! -e source.aml ] || gone "the table has the DefinitionBlock's name"
echo "seen: source.asl became named.aml"

sed -i 's/VAL, 1/VAL, /' source.asl
status=0
iasl source.asl >log 2>&1 || status=$?
grep -q 'syntax error' log || gone "the mistake is found"
[ "$status" = 255 ] || gone "the exit code is 255 (it is $status)"
[ ! -e named.aml ] || gone "the earlier table is deleted"
echo "seen: exit code $status, and the earlier named.aml is gone"
