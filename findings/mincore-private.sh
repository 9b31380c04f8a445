#!/usr/bin/env bash
# What:    mincore(2) on a private mapping of which one page has been written.
# Version: perl-base 5.36.0-7+deb12u4 (Debian 12) for the system calls; seen on Linux 6.18.
# Guess:   it counts the pages that this process has touched or copied, so one.
# Seen:    it counts the file's pages in the page cache, touched through this mapping or not: all 256 that were written to the file. Only
#          /proc/self/pagemap, readable for one's own process, tells the one copied page (bit 63 set, bit 61, file or shared, clear).
# Matters: a snapshot that maps guest memory privately and asks mincore which pages are dirty saves all of what the file holds.
# Here:    PageMap counts by pagemap.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages perl-base=5.36.0-7+deb12u4
echo "kernel: $(uname -r)"

cat >pages.pl <<'PERL'
use strict;
my ($pages, $size) = (1024, 4096);
my ($mmap, $mincore, $read) = (9, 27, 0);
open(my $file, '+>', 'memory') or die $!;
syswrite($file, 'x' x (256 * $size)) == 256 * $size or die $!;
truncate($file, $pages * $size) or die $!;
my $at = syscall($mmap, 0, $pages * $size, 3, 2, fileno($file), 0);   # PROT_READ | PROT_WRITE, MAP_PRIVATE
$at > 0 or die "mmap: $!";
open(my $zero, '<', '/dev/zero') or die $!;
syscall($read, fileno($zero), $at + 5 * $size, 1) == 1 or die "write to page 5: $!";
my $vector = "\0" x $pages;
syscall($mincore, $at, $pages * $size, $vector) == 0 or die "mincore: $!";
my $resident = grep { $_ & 1 } unpack('C*', $vector);
open(my $map, '<:raw', '/proc/self/pagemap') or die $!;
sysseek($map, $at / $size * 8, 0);
sysread($map, my $entries, $pages * 8) == $pages * 8 or die $!;
my $copied = grep { ($_ >> 63 & 1) && !($_ >> 61 & 1) } unpack('Q*', $entries);
print "$resident $copied\n";
PERL
read -r resident copied < <(perl pages.pl)
echo "seen: of 1,024 pages, 1 written: mincore counts $resident, pagemap $copied"
[ "$copied" = 1 ] || gone "pagemap tells the copied page"
[ "$resident" -ge 256 ] || gone "mincore counts the page cache"
