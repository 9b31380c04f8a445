# Files and trees. A process serves one copy, so its working folder is the folder that is being copied: names are single components, and
# a tree may be deeper than a path can be long. The folders above it stay open, which is the way back.

use constant { KIND => 0170000, FOLDER => 0040000, LINK => 0120000, REGULAR => 0100000, BLOCK => 0060000 };
use constant { O_WRONLY => 1, O_CREAT => 0100, O_EXCL => 0200, O_NOCTTY => 0400, O_TRUNC => 01000 };
use constant { O_NONBLOCK => 04000, O_NOFOLLOW => 0400000 };
use constant { SYS_FSYNC => 74, SYS_NEWFSTATAT => 262, SYS_UTIMENSAT => 280, SYS_PRLIMIT64 => 302 };
use constant { RLIMIT_NOFILE => 7, MOST_FILES => 1 << 20 };
use constant { AT_FDCWD => -100, AT_SYMLINK_NOFOLLOW => 0x100, UTIME_OMIT => 0x3FFFFFFE };
use constant { EEXIST => 17, ENOTDIR => 20, EISDIR => 21, EINVAL => 22, ENAMETOOLONG => 36, EPROTO => 71 };
use constant { LONGEST_PATH => LARGEST_FRAME - (1 << 14), MOST_LINKS => 40 };

my $replaces = 0;      # what exists gives way to what comes; otherwise the data goes into it
my $temporaries = 0;
my @open;              # folders down to the working one, the copy's parent first: handle, length of $at, mode and time or nothing
my $at = '';           # path of the working folder below the copy's
my $root = '';         # path of the copy, for messages

sub raise_limit {
    my $limit = pack('Q Q', MOST_FILES, MOST_FILES);
    syscall(SYS_PRLIMIT64, 0, RLIMIT_NOFILE, $limit, 0);
}

# Makes a folder the working one. Returns what leads back to it.
sub enter {
    my ($name) = @_;
    opendir(my $folder, $name) or return undef;
    return chdir $folder ? $folder : undef;
}

# An entry stays behind, for the reason in $!; the copy goes on.
sub report {
    my ($path) = @_;
    my $error = $! + 0;
    send_frame('L', pack('V', $error) . (length $path > 4096 ? substr($path, -4096) : $path));
}

# perl's own stat and utime know whole seconds. struct stat has st_mtim at 88. A time is seconds and nanoseconds, or nothing.
sub modified {
    my ($path, $flags) = @_;
    my $status = "\0" x 144;
    return syscall(SYS_NEWFSTATAT, AT_FDCWD, $path, $status, $flags) == 0 ? unpack('x88 q< q<', $status) : ();
}

sub set_modified {
    my ($path, $flags, @time) = @_;
    my $times = @time ? pack('q< q< q< q<', 0, UTIME_OMIT, @time) : return 1;
    return syscall(SYS_UTIMENSAT, AT_FDCWD, $path, $times, $flags) == 0;
}

sub write_all {
    my ($file, $data) = @_;
    my $done = 0;
    while ($done < length $data) {
        my $count = syswrite($file, $data, length($data) - $done, $done);
        if (defined $count) { $done += $count; }
        elsif ($! == EAGAIN) { my $writes = ''; vec($writes, fileno($file), 1) = 1; select(undef, $writes, undef, undef); }
        elsif ($! != EINTR) { return 0; }
    }
    return 1;
}

# Opens what data for a name of the working folder goes into: what is there, or what a link there leads to, or else a new file, which gets
# its name when all of it is there. Returns the file, its kind, whether it is new, and the name that it has until then.
sub open_target {
    my ($name) = @_;
    my $file;
    if ($replaces || !lstat $name) {
        my $temporary = ".strata-$$-" . ++$temporaries;
        sysopen($file, $temporary, O_WRONLY | O_CREAT | O_EXCL, 0600) or return ();
        return ($file, REGULAR, 1, $temporary);
    }
    my @status = stat $name;    # none: a link to something that is to be made
    my $kind = @status ? $status[2] & KIND : REGULAR;
    if ($kind == FOLDER) { $! = EISDIR; return (); }
    my $flags = !@status ? O_CREAT : $kind == REGULAR ? O_TRUNC : O_NONBLOCK | O_NOCTTY;    # a FIFO that nobody reads is an error
    sysopen($file, $name, O_WRONLY | $flags, 0600) or return ();
    return ($file, $kind, !@status, undef);
}

sub finish_file {
    my ($file, $kind, $is_new, $temporary, $name, $mode, @time) = @_;
    my $now = $temporary // $name;
    return 0 if $is_new && !chmod($mode, $now) || $kind == REGULAR && !set_modified($now, 0, @time);
    return 0 if $kind == BLOCK && syscall(SYS_FSYNC, fileno $file) != 0;
    return close($file) && (!defined $temporary || rename($temporary, $name));
}

# Takes all content that comes, whatever becomes of it. Returns whether it is in place, and otherwise the reason in $!.
sub receive_file {
    my ($name, $mode, $ready, @time) = @_;
    my ($file, $kind, $is_new, $temporary) = open_target($name);
    my $error = $file ? 0 : $! + 0;
    if ($ready) { return 0 if $error; $ready->(); }
    my $type = '';
    while (!$error || !$ready) {
        ($type, my $data) = read_frame();
        last if !defined $type || $type ne 'D';
        $error = $! + 0 if !$error && !write_all($file, $data);
    }
    $error ||= EPROTO if defined $type && $type ne 'E' && $type ne 'L';
    my $is_whole = defined $type && $type eq 'E' && !$error;
    if ($is_whole && !finish_file($file, $kind, $is_new, $temporary, $name, $mode, @time)) { $error = $! + 0; $is_whole = 0; }
    unlink $temporary if defined $temporary && !$is_whole;
    if (!defined $type) { leave_folders(); exit 1; }
    $! = $error;
    return $is_whole || !$error;    # the host knows that it could not read all of it
}

# Where a path leads that ends in links.
sub follow {
    my ($path) = @_;
    for (1 .. MOST_LINKS) {
        my $target = readlink $path;
        last if !defined $target;
        my ($folder) = $path =~ m{^(.*/)}s;
        $path = $target =~ m{^/} ? $target : ($folder // '') . $target;
    }
    return $path;
}

# A regular file is replaced whole, but for its owner; a device or FIFO takes the data.
sub put_file {
    my ($payload) = @_;
    my ($mode, $given) = unpack('V a*', $payload);
    my ($folder, $name) = follow($given) =~ m{^(.*/)?(.*)$}s;
    my $parent = enter($folder // '.') or fail($given);
    my @status = stat $name;
    $replaces = !@status || ($status[2] & KIND) == REGULAR;
    receive_file($name, $mode & 07777, sub { send_frame('A', pack('V', VERSION)) }) or fail($given);
    chown($status[4], $status[5], $name) && chmod($mode & 07777, $name) or fail($given) if $replaces && @status;
    send_frame('E', '');
}

# Returns whether all of it could be read; the reason is in $!.
sub send_content {
    my ($file) = @_;
    while (1) {
        my $count = sysread($file, my $bytes, PIECE);
        if (!defined $count) { next if $! == EINTR; return 0; }
        last if !$count;
        send_frame('D', $bytes);
    }
    send_frame('E', '');
    return 1;
}

sub get_file {
    my ($path) = @_;
    open(my $file, '<', $path) or fail($path);
    if (!-f $file) { $! = EINVAL; fail("$path is no regular file"); }
    my @status = stat $file;
    send_frame('A', pack('V', $status[2] & 07777));
    send_content($file) or fail($path);
}

# A tree arrives as nodes, folders before what is in them, and everything of one before what is beside it. What exists takes what comes,
# and keeps its owner and mode; folders get their modes and times when they are left, as they must be writable until then.
sub put_tree {
    my ($payload) = @_;
    my ($name, $path) = unpack('V/a a*', $payload);
    $path =~ s{(?<=.)/+$}{} and (-d $path or do { $! = ENOTDIR; fail($path); });
    if (-d $path) { $root = $path eq '/' ? "/$name" : "$path/$name"; }
    else { $root = $path; ($path, $name) = $path =~ m{^(.*/)?(.*)$}s; }
    my $parent = enter($path // '.') or fail($root);
    raise_limit();
    @open = ([$parent, 0]);
    send_frame('A', pack('V', VERSION));
    my $skipped;
    while (1) {
        my ($type, $data) = read_frame();
        if (!defined $type) { leave_folders(); exit 1; }
        last if $type eq 'E';
        if ($type eq 'M') { $replaces = unpack('V', $data) & 1; next; }
        if ($type ne 'N') { $! = EPROTO; fail("frame $type in a tree"); }
        my ($mode, $kind, $below, $target, $rest) = unpack('V a V/a V/a a*', $data);
        if (defined $skipped && index($below, "$skipped/") == 0) { drain() if $kind eq 'f'; next; }
        undef $skipped;
        my @time = length $rest == 12 ? unpack('q< V', $rest) : ();
        my $own = length $below ? go_to_parent($below) : $name;
        next if put_node($kind, $own, $below, $target, $mode & 07777, @time);
        fail($root) if !length $below;
        report("$root/$below");
        $skipped = $below if $kind eq 'd';
    }
    leave_folders();
    send_frame('E', '');
}

sub drain { while (1) { my ($type) = read_frame(); last if !defined $type || $type ne 'D'; } }

# Leaves folders until the working one is the parent of a path. Returns the path's last name.
sub go_to_parent {
    my ($below) = @_;
    my ($parent, $name) = $below =~ m{^(?:(.*)/)?([^/]+)$}s;
    $parent //= '';
    leave_folder() while @open > 1 && $at ne $parent;
    if (@open < 2 || !defined $name || $name eq '.' || $name eq '..') { $! = EPROTO; fail("$root/$below"); }
    return $name;
}

sub put_node {
    my ($kind, $name, $below, $target, $mode, @time) = @_;
    return receive_file($name, $mode, undef, @time) if $kind eq 'f';
    return put_folder($name, $below, $mode, @time) if $kind eq 'd';
    return put_link($name, $target, @time) if $kind eq 'l';
    $! = EINVAL;
    fail("kind $kind");
}

sub put_folder {
    my ($name, $below, $mode, @time) = @_;
    my $exists = $replaces ? -d $name && !-l $name : -d $name;
    if (!$exists && !mkdir($name, 0700)) { $! = ENOTDIR if $! == EEXIST; return 0; }
    my $folder = enter($name) or return 0;
    push @open, [$folder, length $below, $exists && !$replaces ? undef : $mode, @time];
    $at = $below;
    return 1;
}

sub put_link {
    my ($name, $target, @time) = @_;
    if (lstat $name) { -l _ || -f _ or do { $! = EEXIST; return 0; }; }
    my $temporary = ".strata-$$-" . ++$temporaries;
    symlink($target, $temporary) or return 0;
    return 1 if set_modified($temporary, AT_SYMLINK_NOFOLLOW, @time) && rename($temporary, $name);
    my $error = $! + 0;
    unlink $temporary;
    $! = $error;
    return 0;
}

sub leave_folder {
    my (undef, undef, $mode, @time) = @{ pop @open };
    (!defined $mode || chmod($mode, '.')) && set_modified('.', 0, @time) or report(length $at ? "$root/$at" : $root);
    chdir $open[-1][0] or fail($root);
    $at = substr($at, 0, $open[-1][1]);
}

sub leave_folders { leave_folder() while @open > 1; }

sub get_tree {
    my ($path) = @_;
    $path =~ s{(?<=.)/+$}{};
    my @status = stat $path or fail($path);
    $root = $path;
    raise_limit();
    send_frame('A', pack('V', VERSION));
    send_node($path, '', @status);
    send_frame('E', '');
}

# What is named itself cannot stay behind: without it there is no copy.
sub refuse {
    my ($below) = @_;
    length $below ? report($below) : fail($root);
}

sub send_head {
    my ($kind, $name, $below, $mode, $target, $flags) = @_;
    my @time = defined $flags ? modified($name, $flags) : ();
    my $time = @time ? pack('q< V', @time) : '';    # it has gone meanwhile, or has none of its own
    send_frame('N', pack('V a V/a V/a', $mode & 07777, $kind, $below, $target) . $time);
}

sub send_node {
    no warnings 'recursion';
    my ($name, $below, @status) = @_;
    my ($kind, $is_root) = ($status[2] & KIND, !length $below);
    my $flags = $is_root ? 0 : AT_SYMLINK_NOFOLLOW;
    if (length $below > LONGEST_PATH) { $! = ENAMETOOLONG; report($below); }
    elsif ($kind == FOLDER) { send_folder($name, $below, $status[2], $flags); }
    elsif ($kind == LINK) {
        my $target = readlink $name;
        defined $target ? send_head('l', $name, $below, $status[2], $target, $flags) : report($below);
    }
    elsif ($kind == REGULAR || $is_root) {    # a device or FIFO is read where it is named
        my $special = $kind == REGULAR ? O_NONBLOCK : O_NOCTTY;
        sysopen(my $file, $name, $special | ($is_root ? 0 : O_NOFOLLOW)) or return refuse($below);
        send_head('f', $name, $below, $status[2], '', $kind == REGULAR ? $flags : undef);
        send_content($file) or report($below);
    }
    else { send_frame('V', $below); }    # a device, FIFO or socket stays where it is
}

sub send_folder {
    no warnings 'recursion';
    my ($name, $below, $mode, $flags) = @_;
    opendir(my $back, '.') or return refuse($below);
    send_head('d', $name, $below, $mode, '', $flags);
    my $folder = enter($name) or return refuse($below);
    for my $inner (sort readdir $folder) {
        next if $inner eq '.' || $inner eq '..';
        my $path = length $below ? "$below/$inner" : $inner;
        if (my @status = lstat $inner) { send_node($inner, $path, @status); }
        else { report($path); }    # it has gone meanwhile
    }
    chdir $back or fail($root);
}

