#!/usr/bin/env bash
# What:    a sparse file read through a private mapping, on tmpfs and on another file system.
# Version: perl-base 5.36.0-7+deb12u4 (Debian 12) for the system calls; seen on Linux 6.18.
# Guess:   reading a hole shows zeros and costs nothing: the mapping is private, and nobody writes.
# Seen:    on tmpfs each page that is read becomes a page of the file; 64 holes read are 64 pages taken. By read(2) they cost nothing, and on
#          a disk's file system neither way does.
# Matters: a snapshot that lies on tmpfs, as /tmp does on many hosts, and is mapped lazily, grows by being read. On a full tmpfs the read cannot
#          have its page, which ends the reader by a signal. Take the space when the file is written (fallocate), or read holes another way.
# Here:    snapshots on tmpfs have their space taken when they are written.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages perl-base=5.36.0-7+deb12u4
echo "kernel: $(uname -r)"
[ "$(stat -f -c %T /dev/shm)" = tmpfs ] || { echo "/dev/shm is no tmpfs here" >&2; exit 2; }
shared=$(mktemp -d -p /dev/shm)
trap 'rm -rf "$work" "$shared"' EXIT

cat >touch.pl <<'PERL'
use strict;
my ($path, $way) = @ARGV;
my ($pages, $size) = (64, 4096);
my ($mmap, $write) = (9, 1);
open(my $file, '+>', $path) or die $!;
truncate($file, $pages * $size) or die $!;
open(my $null, '>', 'copy') or die $!;
if ($way eq 'read') {
    for (1 .. $pages) { sysread($file, my $bytes, $size) == $size or die $! }
} else {
    my $at = syscall($mmap, 0, $pages * $size, 1, 2, fileno($file), 0);   # PROT_READ, MAP_PRIVATE
    $at > 0 or die "mmap: $!";
    for my $page (0 .. $pages - 1) { syscall($write, fileno($null), $at + $page * $size, 1) == 1 or die "page $page: $!" }
}
print((stat($file))[12] / 8, "\n");
PERL
seen=()
for way in read map; do
  seen[${#seen[@]}]=$(perl touch.pl "$shared/file" $way)
done
echo "seen: pages that 64 holes of a tmpfs take: ${seen[0]} when read, ${seen[1]} when read through a private mapping"
[ "${seen[0]}" = 0 ] || gone "read(2) of holes takes nothing"
[ "${seen[1]}" = 64 ] || gone "a private mapping's reads take a page each"
