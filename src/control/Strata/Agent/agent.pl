#!/usr/bin/perl
# Runs programs in this guest for the host and copies files, over AF_VSOCK port 1025. One connection serves one
# operation; the frames are described in AgentFrame.cs. It needs perl alone, without modules: perl-base has it all.
# Three files make one script: programs, files and trees, and what listens.
use strict;
use warnings;

use constant { AF_VSOCK => 40, SOCK_STREAM => 1, ANY_CID => 0xFFFFFFFF, HOST_CID => 2, PORT => 1025 };
use constant { VERSION => 1, LARGEST_FRAME => 1 << 20, PIECE => 1 << 15, WNOHANG => 1 };
use constant { TIOCSPTLCK => 0x40045431, TIOCGPTN => 0x80045430, TIOCSCTTY => 0x540E, TIOCSWINSZ => 0x5414 };
use constant { SYS_SETSID => 112, EINTR => 4, EAGAIN => 11 };

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
        $ENV{TERM} //= 'xterm' if $tty;
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
