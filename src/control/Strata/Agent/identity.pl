# What agent.identity.pl does not do by itself, as it needs other programs. The host runs both by `perl -e`, in steps:
#   names HOST-TIME HOSTNAME OLD-MAC=NEW-MAC ...   with 64 random bytes on standard input, where the agent has not done it; the cables are unplugged
#   keys                                           new SSH host keys in the place of those that were removed
#   network NEW-MAC ...                            the cables are plugged in again: new leases
# What could not be done is printed, a line each. It needs perl alone, without modules.
my ($step, @rest) = @ARGV;
$| = 1;
if ($step eq 'names') { take_names(@rest); }
elsif ($step eq 'keys') { make_host_keys(); }
else { renew_leases(@rest); }
print map { "$_\n" } @failures;

sub runs { return system("$_[0] >/dev/null 2>&1") == 0; }

sub take_names {
    my $bytes = '';
    while (length $bytes < 64) {
        last if !sysread(STDIN, $bytes, 64 - length $bytes, length $bytes);
    }
    make_host_keys() if take_identity($bytes, @_);
}

sub make_host_keys {
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
