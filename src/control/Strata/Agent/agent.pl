#!/usr/bin/perl
# Runs programs in this guest for the host and copies files, over AF_VSOCK port 1025. One connection serves one
# operation; the frames are described in AgentFrame.cs. It needs perl alone, without modules: perl-base has it all.
use strict;
use warnings;

use constant { AF_VSOCK => 40, SOCK_STREAM => 1, ANY_CID => 0xFFFFFFFF, HOST_CID => 2, PORT => 1025 };
use constant { LARGEST_FRAME => 1 << 20, PIECE => 1 << 15, WNOHANG => 1 };
use constant { TIOCSPTLCK => 0x40045431, TIOCGPTN => 0x80045430, TIOCSCTTY => 0x540E, TIOCSWINSZ => 0x5414 };
use constant { KIND => 0170000, FOLDER => 0040000, LINK => 0120000, REGULAR => 0100000 };
use constant { SYS_SETSID => 112, SYS_NEWFSTATAT => 262, SYS_UTIMENSAT => 280, EINTR => 4, EAGAIN => 11 };
use constant { SYS_CLOCK_SETTIME => 227, SYS_CLOCK_GETTIME => 228, CLOCK_REALTIME => 0, CLOCK_TOLERANCE => 0.002 };
use constant { AT_FDCWD => -100, AT_SYMLINK_NOFOLLOW => 0x100, UTIME_OMIT => 0x3FFFFFFE };

$SIG{PIPE} = 'IGNORE';
my $client;

sub send_frame {
    my ($type, $payload) = @_;
    my $bytes = pack('Va', length $payload, $type) . $payload;
    my $at = 0;
    while ($at < length $bytes) {
        my $count = syswrite($client, $bytes, length($bytes) - $at, $at);
        if (!defined $count) {
            next if $! == EINTR;
            exit 1;    # the host has gone
        }
        $at += $count;
    }
}

sub read_exactly {
    my ($wanted) = @_;
    my $bytes = '';
    while (length $bytes < $wanted) {
        my $count = sysread($client, $bytes, $wanted - length $bytes, length $bytes);
        next if !defined $count && $! == EINTR;
        return undef if !$count;
    }
    return $bytes;
}

sub read_frame {
    my $header = read_exactly(5);
    return () if !defined $header;
    my ($length, $type) = unpack('Va', $header);
    exit 1 if $length > LARGEST_FRAME;
    my $payload = $length ? read_exactly($length) : '';
    return defined $payload ? ($type, $payload) : ();
}

sub fail {
    my ($what) = @_;
    send_frame('F', pack('V', $! + 0) . "$what: $!");
    exit 1;
}

sub set_size {
    my ($terminal, $rows, $columns) = @_;
    my $size = pack('S4', $rows, $columns, 0, 0);
    ioctl($terminal, TIOCSWINSZ, $size);
}

sub open_terminal {
    my ($rows, $columns) = @_;
    open(my $master, '+<', '/dev/ptmx') or fail('/dev/ptmx');
    my ($unlocked, $number) = (pack('i', 0), pack('I', 0));
    ioctl($master, TIOCSPTLCK, $unlocked) or fail('unlock the terminal');
    ioctl($master, TIOCGPTN, $number) or fail('number the terminal');
    set_size($master, $rows, $columns);
    return ($master, '/dev/pts/' . unpack('I', $number));
}

# A child that could not start its program writes why into this pipe, which a program that starts closes.
sub start_process {
    my ($tty, $rows, $columns, $folder, $arguments, $variables) = @_;
    my ($master, $slave) = $tty ? open_terminal($rows, $columns) : ();
    my ($in_read, $in_write, $out_read, $out_write, $error_read, $error_write, $why_read, $why_write);
    pipe($why_read, $why_write) or fail('pipe');
    if (!$tty) {
        pipe($in_read, $in_write) && pipe($out_read, $out_write) && pipe($error_read, $error_write) or fail('pipe');
    }
    my $pid = fork;
    fail('fork') if !defined $pid;
    if ($pid == 0) {
        close $why_read;
        close $client;
        syscall(SYS_SETSID);
        if ($tty) {
            close $master;
            open(my $terminal, '+<', $slave) or die_in_child($why_write, $slave);
            ioctl($terminal, TIOCSCTTY, 0);
            ($in_read, $out_write, $error_write) = ($terminal, $terminal, $terminal);
        }
        open(STDIN, '<&', $in_read) && open(STDOUT, '>&', $out_write) && open(STDERR, '>&', $error_write)
            or die_in_child($why_write, 'standard streams');
        $SIG{$_} = 'DEFAULT' for qw(PIPE INT QUIT); # the shell that started the agent in the background ignores the last two
        %ENV = (%ENV, map { split(/=/, $_, 2) } grep { /=/ } @$variables);
        chdir $folder or die_in_child($why_write, $folder);
        { no warnings 'exec'; exec { $arguments->[0] } @$arguments; }
        die_in_child($why_write, $arguments->[0]);
    }
    close $why_write;
    my $why = '';
    1 while sysread($why_read, $why, 4096, length $why);
    if (length $why) {
        waitpid($pid, 0);
        send_frame('F', $why);
        exit 0;
    }
    return ($pid, $master, $master, undef) if $tty;
    close $in_read; close $out_write; close $error_write;
    return ($pid, $in_write, $out_read, $error_read);
}

sub die_in_child {
    my ($pipe, $what) = @_;
    syswrite($pipe, pack('V', $! + 0) . "$what: $!");
    kill 'KILL', $$;    # without the exit handlers of the parent
}

sub run_process {
    my ($payload) = @_;
    my ($tty, $rows, $columns, $folder, $argc, $rest) = unpack('C v v V/a V a*', $payload);
    my @words = unpack('(V/a)*', $rest);
    my @arguments = splice(@words, 0, $argc);
    my ($pid, $in, $out, $errors) = start_process($tty, $rows, $columns, $folder, \@arguments, \@words);
    send_frame('A', pack('V', $pid));
    my ($pending, $in_ends, $status, $exited_at) = ('', 0, undef, 0);
    while (1) {
        my ($reads, $writes) = ('', '');
        vec($reads, fileno($client), 1) = 1;
        vec($reads, fileno($out), 1) = 1 if $out;
        vec($reads, fileno($errors), 1) = 1 if $errors;
        vec($writes, fileno($in), 1) = 1 if $in && length $pending;
        my $found = select($reads, $writes, undef, $out || $errors ? 0.1 : 0.01);
        if ($found > 0) {
            if (vec($reads, fileno($client), 1)) {
                my ($type, $data) = read_frame();
                if (!defined $type) {
                    kill 'HUP', -$pid;
                    kill 'KILL', -$pid;
                    exit 1;
                }
                if ($type eq 'I') { $in_ends = 1 if !length $data; $pending .= $data; }
                elsif ($type eq 'K') {
                    my ($signal, $stream) = unpack('V V', $data);
                    if (!$stream) { kill $signal, -$pid; }
                    elsif ($tty) { kill 'HUP', -$pid; }    # its outputs are the terminal
                    elsif ($stream == 1 && $out) { close $out; $out = undef; }
                    elsif ($stream == 2 && $errors) { close $errors; $errors = undef; }
                }
                elsif ($type eq 'W' && $tty) { my @size = unpack('v v', $data); set_size($in, @size); }
            }
            if ($in && length $pending && vec($writes, fileno($in), 1)) {
                my $count = syswrite($in, $pending, length $pending > 4096 ? 4096 : length $pending);
                if (defined $count) { substr($pending, 0, $count, ''); send_frame('C', pack('V', $count)); }
                else { send_frame('C', pack('V', length $pending)); $pending = ''; }
            }
            if ($out && vec($reads, fileno($out), 1)) { $out = undef if !forward($out, 'O'); }
            if ($errors && vec($reads, fileno($errors), 1)) { $errors = undef if !forward($errors, 'R'); }
        }
        if ($in && $in_ends && !length $pending && !$tty) { close $in; $in = undef; }
        if (!defined $status && waitpid($pid, WNOHANG) == $pid) { $status = $?; $exited_at = time; }
        last if defined $status && !$out && !$errors;
        last if defined $status && $found <= 0;    # something that still runs holds the streams
    }
    send_frame('X', pack('V V', $status >> 8, $status & 127));
}

sub forward {
    my ($stream, $type) = @_;
    my $count = sysread($stream, my $bytes, PIECE);
    return 1 if !defined $count && ($! == EINTR || $! == EAGAIN);
    return 0 if !$count;
    send_frame($type, $bytes);
    return 1;
}

# perl's own stat and utime know whole seconds. struct stat has st_mtim at 88. A time is seconds and nanoseconds, or nothing.
sub modified {
    my ($path, $flags) = @_;
    my $status = "\0" x 144;
    return syscall(SYS_NEWFSTATAT, AT_FDCWD, $path, $status, $flags) == 0 ? unpack('x88 q< q<', $status) : ();
}

sub set_modified {
    my ($path, @time) = @_;
    my $times = @time ? pack('q< q< q< q<', 0, UTIME_OMIT, @time) : return 1;
    return syscall(SYS_UTIMENSAT, AT_FDCWD, $path, $times, AT_SYMLINK_NOFOLLOW) == 0;
}

# The file gets its name when all of it is there.
sub receive_file {
    my ($path, $mode, $ready, @time) = @_;
    my $part = "$path.part$$";
    open(my $file, '>', $part) or fail($path);
    binmode $file;
    $ready->() if $ready;
    while (1) {
        my ($type, $data) = read_frame();
        if (!defined $type) { unlink $part; exit 1; }
        last if $type eq 'E';
        if (!print {$file} $data) { my $error = $!; unlink $part; $! = $error; fail($path); }
    }
    close($file) && chmod($mode, $part) && set_modified($part, @time) && rename($part, $path) or do { my $error = $!; unlink $part; $! = $error; fail($path); };
}

sub put_file {
    my ($payload) = @_;
    my ($mode, $path) = unpack('V a*', $payload);
    receive_file($path, $mode & 07777, sub { send_frame('A', pack('V', 0)) });
    send_frame('E', '');
}

sub send_content {
    my ($file, $path) = @_;
    while (1) {
        my $count = sysread($file, my $bytes, PIECE);
        fail($path) if !defined $count;
        last if !$count;
        send_frame('D', $bytes);
    }
    send_frame('E', '');
}

sub get_file {
    my ($path) = @_;
    open(my $file, '<', $path) or fail($path);
    if (!-f $file) { $! = 22; fail("$path is no regular file"); }
    my @status = stat $file;
    send_frame('A', pack('V', $status[2] & 07777));
    send_content($file, $path);
}

# A tree arrives as nodes, folders before what is in them. What exists is replaced, folders are merged; folders get their modes
# and times at the end, as they must be writable until then.
sub put_tree {
    my ($payload) = @_;
    my ($name, $path) = unpack('V/a a*', $payload);
    $path =~ s{(?<=.)/+$}{} and (-d $path or do { $! = 20; fail($path); });
    $path = $path eq '/' ? "/$name" : "$path/$name" if -d $path;
    send_frame('A', pack('V', 0));
    my @folders;
    while (1) {
        my ($type, $data) = read_frame();
        exit 1 if !defined $type;
        last if $type eq 'E';
        if ($type ne 'N') { $! = 71; fail("frame $type in a tree"); }
        my ($mode, $kind, $below, $target, $rest) = unpack('V a V/a V/a a*', $data);
        my @time = length $rest == 12 ? unpack('q< V', $rest) : ();
        my $place = length $below ? "$path/$below" : $path;
        if ($kind eq 'd') {
            -d $place && !-l $place or mkdir($place, 0700) or fail($place);
            push @folders, [$place, $mode & 07777, @time];
        }
        elsif ($kind eq 'l') {
            unlink $place if -l $place || -f _;
            symlink($target, $place) && set_modified($place, @time) or fail($place);
        }
        elsif ($kind eq 'f') { receive_file($place, $mode & 07777, undef, @time); }
        else { $! = 22; fail("kind $kind"); }
    }
    for (reverse @folders) {
        my ($place, $mode, @time) = @$_;
        chmod($mode, $place) && set_modified($place, @time) or fail($place);
    }
    send_frame('E', '');
}

sub get_tree {
    my ($path) = @_;
    $path =~ s{(?<=.)/+$}{};
    my @status = stat $path or fail($path);
    send_frame('A', pack('V', 0));
    send_node($path, '', @status);
    send_frame('E', '');
}

sub send_node {
    no warnings 'recursion';
    my ($path, $below, @status) = @_;
    my ($mode, $kind) = ($status[2] & 07777, $status[2] & KIND);
    my @time = modified($path, length $below ? AT_SYMLINK_NOFOLLOW : 0);
    my $time = @time ? pack('q< V', @time) : '';    # it has gone meanwhile
    if ($kind == FOLDER) {
        send_frame('N', pack('V a V/a V/a', $mode, 'd', $below, '') . $time);
        opendir(my $folder, $path) or fail($path);
        for my $name (sort readdir $folder) {
            next if $name eq '.' || $name eq '..';
            my @inner = lstat "$path/$name" or next;    # it has gone meanwhile
            send_node("$path/$name", length $below ? "$below/$name" : $name, @inner);
        }
        closedir $folder;
    }
    elsif ($kind == LINK) {
        my $target = readlink $path;
        send_frame('N', pack('V a V/a V/a', $mode, 'l', $below, $target) . $time) if defined $target;
    }
    elsif ($kind == REGULAR) {
        open(my $file, '<', $path) or fail($path);
        send_frame('N', pack('V a V/a V/a', $mode, 'f', $below, '') . $time);
        send_content($file, $path);
    }
    else { send_frame('V', $below); }    # a device, FIFO or socket stays where it is
}

# Linux sets its clock by the RTC at boot, which tells whole seconds; and a machine can have stood still. The host's time comes by a PTP
# clock, where the kernel has it. A difference that no program would notice is left alone.
sub set_clock {
    open(my $named, '<', '/sys/class/ptp/ptp0/clock_name') or return;
    return if <$named> !~ /^KVM virtual PTP/;
    open(my $ptp, '<', '/dev/ptp0') or return;
    my $id = 3 - 8 * (fileno($ptp) + 1);    # FD_TO_CLOCKID
    my ($host, $guest) = (pack('q2', 0, 0), pack('q2', 0, 0));
    return if syscall(SYS_CLOCK_GETTIME, $id, $host) != 0 || syscall(SYS_CLOCK_GETTIME, CLOCK_REALTIME, $guest) != 0;
    my ($seconds, $rest) = unpack('q2', $host);
    my ($own_seconds, $own_rest) = unpack('q2', $guest);
    my $ahead = $own_seconds - $seconds + ($own_rest - $rest) / 1e9;
    syscall(SYS_CLOCK_SETTIME, CLOCK_REALTIME, $host) if abs($ahead) > CLOCK_TOLERANCE;
}

sub serve {
    my ($type, $payload) = read_frame();
    exit 0 if !defined $type;
    if ($type eq 'S') { run_process($payload); }
    elsif ($type eq 'P') { put_file($payload); }
    elsif ($type eq 'G') { get_file($payload); }
    elsif ($type eq 'U') { put_tree($payload); }
    elsif ($type eq 'T') { get_tree($payload); }
    else { $! = 22; fail("operation $type"); }
    read_frame();    # the host closes when it has read everything
    exit 0;
}

set_clock();
socket(my $server, AF_VSOCK, SOCK_STREAM, 0) or die "AF_VSOCK: $!";
bind($server, pack('S S L L x4', AF_VSOCK, 0, PORT, ANY_CID)) or die "bind: $!";
listen($server, 64) or die "listen: $!";
$SIG{CHLD} = 'IGNORE';
while (1) {
    my $peer = accept($client, $server);
    next if !$peer;
    my $pid = (unpack('S S L L', $peer))[3] == HOST_CID ? fork : -1;
    if (defined $pid && $pid == 0) {
        $SIG{CHLD} = 'DEFAULT';
        close $server;
        set_clock();
        serve();
    }
    close $client;
}
