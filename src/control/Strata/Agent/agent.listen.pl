# What listens: a process for each connection.

# Whether a program reads the guest's console. A terminal's numbers in /proc are as in makedev(3), small ones major * 256 + minor.
sub console_is_read {
    my %consoles;
    for my $name (split ' ', first_line('/sys/class/tty/console/active')) {
        my ($major, $minor) = split /:/, first_line("/sys/class/tty/$name/dev");
        $consoles{$major * 256 + $minor} = 1 if defined $minor;
    }
    opendir(my $folder, '/proc') or fail('/proc');
    for my $pid (grep { /^\d+$/ } readdir $folder) {
        my ($name, $group, $terminal, $foreground) = first_line("/proc/$pid/stat") =~ /\((.*)\) S \d+ (\d+) \d+ (\d+) (-?\d+) / or next;
        return 1 if $consoles{$terminal} && $group == $foreground && waits_for_input($pid, $name);
    }
    return 0;
}

# It sleeps in read, poll, select, pselect6 or ppoll. login polls for other things than its terminal.
sub waits_for_input {
    my ($pid, $name) = @_;
    my ($call) = first_line("/proc/$pid/syscall") =~ /^(\d+) / or return 0;
    return $call == 0 || $name ne 'login' && ($call == 7 || $call == 23 || $call == 270 || $call == 271);
}

# Programs that start at the console, such as getty and login, throw away what was typed before them.
sub await_console {
    until (console_is_read()) {
        my $reads = '';
        vec($reads, fileno($client), 1) = 1;
        exit 0 if select($reads, undef, undef, 0.05);    # the host has gone
    }
    send_frame('A', pack('V', VERSION));
}

# Linux sets its clock by the RTC at boot, which tells whole seconds; and a machine can have stood still. The host's time comes by a PTP
# clock, where the kernel has it. A difference that no program would notice is left alone.
use constant { SYS_CLOCK_GETTIME => 228, CLOCK_TOLERANCE => 1_000_000 };

sub read_clock {
    my ($id) = @_;
    my $time = pack('q2', 0, 0);
    return undef if syscall(SYS_CLOCK_GETTIME, $id, $time) != 0;
    my ($seconds, $rest) = unpack('q2', $time);
    return $seconds * 1_000_000_000 + $rest;
}

sub set_clock {
    return if first_line('/sys/class/ptp/ptp0/clock_name') !~ /^KVM virtual PTP/;
    open(my $ptp, '<', '/dev/ptp0') or return;
    my $id = 3 - 8 * (fileno($ptp) + 1);    # FD_TO_CLOCKID
    my $behind = 0;
    for (1, 2) {                            # the first round takes the time that code takes when it runs for the first time
        my ($before, $host, $after) = (read_clock(CLOCK_REALTIME), read_clock($id), read_clock(CLOCK_REALTIME));
        return if !defined $host;
        $behind = $host - $before - ($after - $before) / 2;
    }
    return if abs($behind) <= CLOCK_TOLERANCE;
    my $time = read_clock(CLOCK_REALTIME) + int($behind);
    my $rest = $time % 1_000_000_000;
    syscall(SYS_CLOCK_SETTIME, CLOCK_REALTIME, pack('q2', ($time - $rest) / 1_000_000_000, $rest));
}

sub serve {
    my ($type, $payload) = read_frame();
    exit 0 if !defined $type;
    if ($type eq 'S') { run_process($payload); }
    elsif ($type eq 'P') { put_file($payload); }
    elsif ($type eq 'G') { get_file($payload); }
    elsif ($type eq 'U') { put_tree($payload); }
    elsif ($type eq 'T') { get_tree($payload); }
    elsif ($type eq 'Y') { await_console(); }
    else { $! = 22; fail("operation $type"); }
    read_frame();    # the host closes when it has read everything
    exit 0;
}

# A process of its own makes a clone another machine. The host knows it by its page tables, and runs no other program of the clone before it has
# answered. It says so in a register of the machine, goes before all others where it has to wait, and lives as long as the agent.
use constant { IDENTITY_PORT => 1026, REGISTER => 0xFEF01000, PRESENCE => 0x53, ENTROPY => 64 };
use constant { SYS_READ => 0, SYS_MMAP => 9, READ_WRITE => 3, MAP_SHARED => 1, O_SYNC => 04010000, O_RDWR => 2 };
use constant { SYS_SCHED_SETSCHEDULER => 144, SCHED_FIFO => 1, SYS_PRCTL => 157, PR_SET_PDEATHSIG => 1, SIGKILL => 9 };

sub listen_on {
    my ($port) = @_;
    socket(my $server, AF_VSOCK, SOCK_STREAM, 0) or die "AF_VSOCK: $!";
    bind($server, pack('S S L L x4', AF_VSOCK, 0, $port, ANY_CID)) or die "bind: $!";
    listen($server, 64) or die "listen: $!";
    return $server;
}

# Whether it is the host that connects.
sub accept_host {
    my ($server) = @_;
    my $peer = accept($client, $server) or return 0;
    return (unpack('S S L L', $peer))[3] == HOST_CID;
}

# Where the register is in this process; undefined on a machine without one.
sub map_register {
    sysopen(my $memory, '/dev/mem', O_RDWR | O_SYNC) or return undef;
    my $address = syscall(SYS_MMAP, 0, 4096, READ_WRITE, MAP_SHARED, fileno $memory, REGISTER);
    return $address == -1 || unpack('C', unpack('P1', pack('Q', $address))) != PRESENCE ? undef : $address;
}

# The kernel stores the byte, for the process that reads it.
sub write_register {
    my ($address, $value) = @_;
    pipe(my $from, my $to) or return 0;
    return syswrite($to, chr $value) == 1 && syscall(SYS_READ, fileno $from, $address, 1) == 1;
}

sub start_identity_process {
    pipe(my $is_ready, my $ready) or return;
    my $pid = fork;
    if (!defined $pid || $pid != 0) {
        close $ready;
        sysread($is_ready, my $nothing, 1);    # ends when it has closed its side
        return;
    }
    close $is_ready;
    syscall(SYS_PRCTL, PR_SET_PDEATHSIG, SIGKILL);
    my $priority = pack('i', 1);
    syscall(SYS_SCHED_SETSCHEDULER, 0, SCHED_FIFO, $priority);
    my $address = map_register() // exit 0;
    my $server = listen_on(IDENTITY_PORT);
    write_register($address, 1) or die "identity: $!";
    close $ready;
    while (1) {
        serve_identity() if accept_host($server);
        close $client if $client;
    }
}

# Never ends: the next one that connects is another clone's host.
sub serve_identity {
    my $header = read_exactly(5) // return;
    my ($length, $type) = unpack('Va', $header);
    return if $type ne 'C' || $length < ENTROPY || $length > LARGEST_FRAME;
    my $payload = read_exactly($length) // return;
    my ($bytes, @words) = unpack('a' . ENTROPY . ' (V/a)*', $payload);
    @failures = ();
    set_clock();
    my $answer = pack('V', take_identity($bytes, @words)) . join("\n", @failures);
    syswrite($client, pack('Va', length $answer, 'A') . $answer);
}

set_clock();
start_identity_process();
my $server = listen_on(PORT);
$SIG{CHLD} = 'IGNORE';
while (1) {
    my $pid = accept_host($server) ? fork : -1;
    if (defined $pid && $pid == 0) {
        $SIG{CHLD} = 'DEFAULT';
        close $server;
        set_clock();
        serve();
    }
    close $client if $client;
}
