# Making this guest another machine than the one that it was cloned from, as far as one process can do it: no other program runs meanwhile.
# Also the first part of identity.pl, for agents that do not have it yet.
use strict;
use warnings;
use constant { RNDADDENTROPY => 0x40085203, RNDRESEEDCRNG => 0x5207, SYS_CLOCK_SETTIME => 227, CLOCK_REALTIME => 0 };
use constant { AF_INET => 2, SOCK_DGRAM => 2, SIOCSIFHWADDR => 0x8924, ARPHRD_ETHER => 1 };

my @failures;
sub failed { push @failures, "$_[0]: " . ($_[1] // $!); return 0; }

sub first_line {
    my ($path) = @_;
    open(my $file, '<', $path) or return '';    # such as a process that has gone meanwhile
    my $line = readline($file) // '';
    chomp $line;
    return $line;
}

# What a folder holds; glob would need a module.
sub names_in {
    my ($path) = @_;
    opendir(my $folder, $path) or return ();
    return grep { !/^\./ } readdir $folder;
}

sub write_file {
    my ($path, $text) = @_;
    open(my $file, '>', $path) or return 0;
    return print({$file} $text) && close $file;
}

# Two clones have the same pool: first of all it gets what nobody else has, and every processor's generator is made from it anew.
sub stir {
    my ($bytes) = @_;
    open(my $random, '+<', '/dev/urandom') or return failed('entropy');
    my $pool = pack('i2', 8 * length $bytes, length $bytes) . $bytes;
    ioctl($random, RNDADDENTROPY, $pool) or return failed('entropy');
    ioctl($random, RNDRESEEDCRNG, 0) or return failed('entropy');
}

# Where the host's time comes by a PTP clock, the agent sets the clock by that, which is exact.
sub set_time {
    my ($time) = @_;
    return if first_line('/sys/class/ptp/ptp0/clock_name') =~ /^KVM virtual PTP/;
    my ($seconds, $rest) = split /\./, $time;
    syscall(SYS_CLOCK_SETTIME, CLOCK_REALTIME, pack('q2', $seconds, $rest)) == 0 or failed('clock');
}

sub rename_host {
    my ($name) = @_;
    my $old = first_line('/proc/sys/kernel/hostname');
    write_file('/proc/sys/kernel/hostname', $name) or return failed('host name');
    write_file('/etc/hostname', "$name\n") or return failed('host name') if -e '/etc/hostname';
    return if !length $old || !open(my $hosts, '<', '/etc/hosts');
    my @lines = <$hosts>;
    s/(?<=\s)\Q$old\E(?=\s|$)/$name/ for @lines;
    write_file('/etc/hosts', join '', @lines) or failed('host name');
}

sub renew_machine_id {
    return if !-e '/etc/machine-id';
    open(my $random, '<', '/dev/urandom') or return failed('machine ID');
    sysread($random, my $bytes, 16) == 16 or return failed('machine ID');
    write_file('/etc/machine-id', unpack('H*', $bytes) . "\n") or failed('machine ID');
}

sub interface_of {
    my ($address) = @_;
    my ($card) = grep { first_line("/sys/class/net/$_/address") eq $address } names_in('/sys/class/net');
    return $card;
}

# The card stays up, and so its IPv4 routes; IPv6 addresses that were made from the old address are made anew.
sub change_address {
    my ($old, $new) = @_;
    my $card = interface_of($old);
    return if !defined $card;    # its driver is not loaded
    socket(my $any, AF_INET, SOCK_DGRAM, 0) or return failed("MAC address of $card");
    my $request = pack('a16 S a6 x16', $card, ARPHRD_ETHER, pack('C6', map { hex } split /:/, $new));
    ioctl($any, SIOCSIFHWADDR, $request) or return failed("MAC address of $card");
    my $without = "/proc/sys/net/ipv6/conf/$card/disable_ipv6";
    write_file($without, $_) for first_line($without) eq '0' ? (1, 0) : ();
}

# New ones are made when programs run again.
sub remove_host_keys {
    my @keys = map { "/etc/ssh/$_" } grep { /^ssh_host_.*_key$/ } names_in('/etc/ssh');
    unlink(@keys, map { "$_.pub" } @keys) == 2 * @keys or failed('SSH host keys');
    return scalar @keys;
}

# Returns how many SSH host keys there were.
sub take_identity {
    my ($bytes, $time, $name, @cards) = @_;
    stir($bytes);
    set_time($time);
    rename_host($name);
    renew_machine_id();
    change_address(split /=/) for @cards;
    return remove_host_keys();
}
