# Makes this guest another machine than the one that it was cloned from. The host runs it by `perl -e`, in two steps:
#   names HOSTNAME HOST-TIME OLD-MAC=NEW-MAC ...   with 64 random bytes on standard input; the cables are unplugged
#   network NEW-MAC ...                            the cables are plugged in again: new leases
# What could not be done is printed, a line each. It needs perl alone, without modules.
use strict;
use warnings;
use constant { RNDADDENTROPY => 0x40085203, RNDRESEEDCRNG => 0x5207, SYS_CLOCK_SETTIME => 227, CLOCK_REALTIME => 0 };

my ($step, @rest) = @ARGV;
$| = 1;
$step eq 'names' ? take_names(@rest) : renew_leases(@rest);

sub failed { print "$_[0]: ", $_[1] // $!, "\n"; return 0; }

sub first_line {
    my ($path) = @_;
    open(my $file, '<', $path) or return '';
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

sub runs { return system("$_[0] >/dev/null 2>&1") == 0; }

sub take_names {
    my ($name, $time, @cards) = @_;
    stir();
    set_clock($time);
    rename_host($name);
    renew_machine_id();
    change_address(split /=/) for @cards;
    renew_host_keys();
}

# Two clones have the same pool: first of all it gets what nobody else has, and every processor's generator is made from it anew.
sub stir {
    my $bytes = '';
    while (length $bytes < 64) {
        last if !sysread(STDIN, $bytes, 64 - length $bytes, length $bytes);
    }
    open(my $random, '+<', '/dev/urandom') or return failed('entropy');
    my $pool = pack('i2', 8 * length $bytes, length $bytes) . $bytes;
    ioctl($random, RNDADDENTROPY, $pool) or return failed('entropy');
    ioctl($random, RNDRESEEDCRNG, 0) or return failed('entropy');
}

# The agent has set the clock already where the host's time comes by a PTP clock, which is exact.
sub set_clock {
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

# IPv6 addresses that were made from the old address go when the card goes down; IPv4 routes as well, and these come back.
sub change_address {
    my ($old, $new) = @_;
    my $card = interface_of($old);
    return if !defined $card;    # its driver is not loaded
    my $was_up = hex(first_line("/sys/class/net/$card/flags")) & 1;
    my @routes = split /\n/, `ip route show dev $card 2>/dev/null`;
    runs("ip link set $card down") && runs("ip link set $card address $new") or return failed("MAC address of $card", 'ip cannot set it');
    return if !$was_up;
    runs("ip link set $card up") or return failed("MAC address of $card", 'ip cannot set the card up again');
    runs("ip route replace $_ dev $card") for reverse @routes;
}

sub renew_host_keys {
    my @keys = map { "/etc/ssh/$_" } grep { /^ssh_host_.*_key$/ } names_in('/etc/ssh') or return;
    unlink(@keys, map { "$_.pub" } @keys) == 2 * @keys or failed('SSH host keys');
    runs('ssh-keygen -A') or return failed('SSH host keys', 'ssh-keygen failed');
    runs('systemctl try-restart ssh.service') if -d '/run/systemd/system';
}

sub renew_leases {
    my $networkd = -d '/run/systemd/system' && runs('systemctl is-active systemd-networkd');
    runs('systemctl restart systemd-networkd') or failed('DHCP lease', 'systemd-networkd does not restart') if $networkd; # has the old machine ID
    for my $card (grep { defined } map { interface_of($_) } @_) {
        next if !(hex(first_line("/sys/class/net/$card/flags")) & 1);
        for (1 .. 200) {
            last if first_line("/sys/class/net/$card/carrier") eq '1';
            select(undef, undef, undef, 0.01);
        }
        renew_lease($card) if !$networkd && -x '/etc/udhcpc.script' && addresses_of($card);
    }
}

sub addresses_of {
    my ($card) = @_;
    return `ip -f inet addr show dev $card 2>/dev/null` =~ /inet (\S+)/g;
}

sub renew_lease {
    my ($card) = @_;
    my @old = addresses_of($card);
    runs("udhcpc -i $card -s /etc/udhcpc.script -n -q -t 3 -T 1") or return failed("DHCP lease of $card", 'no server answers');
    my @all = addresses_of($card);
    return if @all <= @old;    # the same again
    runs("ip addr del $_ dev $card") for @old;
}
