#!/usr/bin/env bash
# What:    an open-file-description lock (the kind QEMU puts on images) whose file is closed while a child is between fork and exec.
# Version: perl-base 5.36.0-7+deb12u4 (Debian 12) for the system calls; seen on Linux 6.18.
# Guess:   close frees the lock, and close-on-exec keeps the file out of children.
# Seen:    the child shares the open file description until its exec, so the lock stays after the parent's close, and the parent's own new
#          open is refused. F_UNLCK before the close frees it at once, for both.
# Matters: a monitor that starts programs (passt, swtpm, virtiofsd) on one thread and swaps a disk on another is refused its own image now
#          and then, by chance. Unlock before close.
# Here:    ImageLock.Release is called before every close of an image.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages perl-base=5.36.0-7+deb12u4
echo "kernel: $(uname -r)"

cat >lock.pl <<'PERL'
use strict;
use Fcntl;
my ($setlk, $unlock) = (37, $ARGV[0] eq 'unlock');   # F_OFD_SETLK
sub lock_as { my ($handle, $type) = @_; return fcntl($handle, $setlk, pack('s s x4 q q l x4', $type, 0, 100, 1, 0)) }
sub opened { sysopen(my $handle, 'image', O_RDWR | O_CREAT) or die $!; return $handle }
my $image = opened();                                # perl opens with O_CLOEXEC
lock_as($image, F_WRLCK) or die "first lock: $!";
pipe(my $forked_in, my $forked_out) or die $!;
pipe(my $go_in, my $go_out) or die $!;
my $child = fork() // die $!;
if (!$child) { close($go_out); syswrite($forked_out, 'f'); sysread($go_in, my $go, 1); exec('true') or die $! }
sysread($forked_in, my $forked, 1);
lock_as($image, F_UNLCK) or die $! if $unlock;
close($image);
print lock_as(opened(), F_WRLCK) ? 'granted' : 'refused';
close($go_out);
waitpid($child, 0);
print lock_as(opened(), F_WRLCK) ? " granted\n" : " refused\n";
PERL
plain=$(perl lock.pl close)
unlocked=$(perl lock.pl unlock)
echo "seen: lock again before and after the child's exec: closed only: $plain; unlocked and closed: $unlocked"
[ "$plain" = "refused granted" ] || gone "the lock stays until the child's exec"
[ "$unlocked" = "granted granted" ] || gone "F_UNLCK frees it at once"
