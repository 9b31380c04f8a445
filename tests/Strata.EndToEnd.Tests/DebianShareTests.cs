using System.Security.Cryptography;
using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.EndToEnd.Tests;

/// <summary>A folder of the host in a Debian guest; afterwards the host compares what is in it.</summary>
public sealed class DebianShareTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const int Files = 200;

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Share_TarCopyRenamesAndLinks_AreTheSameOnTheHost()
    {
        WriteTree(_folder.PathOf("tree"));

        await RunAsync(
            """
            cp -a tree copy
            tar cf - tree | (mkdir untarred && tar xf - -C untarred)
            diff -r tree copy && diff -r tree untarred/tree && echo same >> result
            for i in 1 2 3; do for f in copy/d0/*; do mv "$f" "$f.$i" && mv "$f.$i" "$f"; done; done
            mkdir ring && echo 0 > ring/0 && i=0
            while [ $i -lt 100 ]; do mv ring/$i ring/$((i + 1)); i=$((i + 1)); done
            ln tree/d0/f0 hard && ln -s tree/d0/f0 soft && rm tree/d0/f0 && cat soft > /dev/null || echo dangling >> result
            find tree -type f | wc -l >> result
            (sleep 0; echo appended) >> result
            dd if=/dev/urandom of=big bs=64k count=40 && md5sum < big | cut -d' ' -f1 >> result
            exec 3< big && rm big && md5sum <&3 | cut -d' ' -f1 >> result
            """);

        string[] result = await File.ReadAllLinesAsync(_folder.PathOf("result"), _timeout.Token);
        Assert.Equal(["same", "dangling", $"{Files - 1}", "appended"], result[..4]);
        Assert.Equal(result[4], result[5]); // an open file outlives its name
        Assert.Equal(Digests("copy"), Digests("untarred/tree"));
        Assert.Equal(Files, Digests("copy").Count);
        Assert.Equal(Digests("copy").Where(file => file.Key != "d0/f0"), Digests("tree"));
        Assert.True(File.Exists(_folder.PathOf("ring/100")));
        Assert.False(File.Exists(_folder.PathOf("big")));
    }

    [Fact]
    public async Task Share_ReadOnly_RefusesEveryWrite()
    {
        _folder.Write("file", "content"u8);
        await using VirtualMachine machine = await StartAsync(
            new FolderShare(_folder.Root, "ro", IsReadOnly: true),
            "cd /mnt/ro; cat file; touch new || rm file || echo x > file || echo refused-$((6 * 7))");

        await machine.WaitForExitAsync(_timeout.Token);

        Assert.Contains("content", machine.Console.Output, StringComparison.Ordinal);
        Assert.Contains("refused-42", machine.Console.Output, StringComparison.Ordinal);
        Assert.Equal(["file"], Directory.EnumerateFileSystemEntries(_folder.Root).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Share_FileChangedByTheHost_IsSeenAtOnce()
    {
        _folder.Write("file", "first version"u8);
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec(new FolderShare(_folder.Root, "data")), _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync("cat /mnt/data/file", _timeout.Token);
        await machine.Console.WaitForAsync("first version", _timeout.Token);

        _folder.Write("file", "second one, longer than it was"u8);
        _folder.Write("new", "and a new file"u8);
        await machine.Console.WriteLineAsync("cat /mnt/data/file /mnt/data/new", _timeout.Token);

        await machine.Console.WaitForAsync("second one, longer than it was", _timeout.Token);
        await machine.Console.WaitForAsync("and a new file", _timeout.Token);
    }

    /// <summary>
    /// What npm, git and databases do with files that they have just made. User 1000, whom the share says nothing of, too.
    /// </summary>
    [Theory]
    [InlineData("1000")]
    [InlineData("0")]
    [InlineData("5")]
    public async Task Share_OfAnOwner_LetsAnOrdinaryUserWorkWithHisFiles(string owner)
    {
        await RunAsync(
            """
            chmod 755 . && mkdir -m 777 work
            cat > user.pl <<'END'
            $( = $) = "1000 1000"; $< = $> = 1000;
            chdir "work" or die;
            sub must { print $_[1] ? "$_[0] ok\n" : "$_[0] FAILED: $!\n" }
            must("create", open(F, ">", "f")); close F;
            must("append", open(F, ">>", "f")); close F;
            must("chmod", chmod(0600, "f"));
            must("utime", utime(1, 1, "f"));
            must("mkdir", mkdir("d"));
            must("inside", open(F, ">", "d/g")); close F;
            must("rename", rename("d/g", "h"));
            must("readonly", chmod(0444, "h"));
            must("unlink", unlink("h"));
            must("mine", (stat "f")[4] == 1000 && (stat "d")[5] == 1000);
            END
            perl user.pl >> result
            chown 33:33 work/f && chmod 0400 work/f && stat -c '%u:%g %a' work/f >> result
            """,
            FolderShare.Parse($"{_folder.Root}:data,owner={owner}"));

        string[] result = await File.ReadAllLinesAsync(_folder.PathOf("result"), _timeout.Token);
        string[] steps = ["create", "append", "chmod", "utime", "mkdir", "inside", "rename", "readonly", "unlink", "mine"];
        Assert.Equal([.. steps.Select(step => $"{step} ok"), "33:33 400"], result);
    }

    /// <summary>The calls by their numbers on x86-64: setxattr 188, getxattr 191, name_to_handle_at 303, open_by_handle_at 304.</summary>
    [Fact]
    public async Task Share_AttributesAndHandles_WorkThroughTheGuestsKernel()
    {
        await RunAsync(
            """
            cat > calls.pl <<'END'
            my $f = "sub/file";
            sub set { my ($n, $v) = @_; syscall(188, $f, $n, $v, length $v, 0) == 0 ? "set" : "$!" }
            sub get { my $n = shift; my $b = "\0" x 100; my $c = syscall(191, $f, $n, $b, 100); $c < 0 ? "$!" : substr($b, 0, $c) }
            mkdir "sub"; open(F, ">", "sub/file"); print F "content"; close F;
            print join(" ", set("user.a", "one"), get("user.a"), set("trusted.b", "two"), get("trusted.b")), "\n";
            print set("security.selinux", "x"), "\n";
            my $h = pack("IIa128", 128, 0, ""); my $m = pack("I", 0);
            print syscall(303, -100, $f, $h, $m, 0) == 0 ? "handle\n" : "no handle: $!\n";
            open(D, ">", "/proc/sys/vm/drop_caches"); print D "3\n"; close D;
            opendir(M, "."); my $fd = syscall(304, fileno(M), $h, 0);
            if ($fd < 0) { print "not opened: $!\n" } else { open(G, "<&=", $fd); print scalar <G>, "\n"; }
            close G; open(D, ">", "/proc/sys/vm/drop_caches"); print D "3\n"; close D;
            unlink "sub/file"; $fd = syscall(304, fileno(M), $h, 0); print $fd < 0 ? "$!\n" : "opened\n";
            END
            perl calls.pl > result
            """);

        Assert.Equal(
            ["set one set two", "Operation not supported", "handle", "content", "Stale file handle"],
            await File.ReadAllLinesAsync(_folder.PathOf("result"), _timeout.Token));
    }

    /// <summary>The command as a user who is not root: nothing that it does may need more.</summary>
    [OrdinaryUserFact]
    public async Task Share_OfAnOrdinaryUserOfTheHost_LetsEveryGuestUserWork()
    {
        string image = _folder.PathOf("image");
        Directory.CreateDirectory(image);
        File.Copy(guest.Kernel, Path.Combine(image, "kernel"));
        byte[] initrd = await File.ReadAllBytesAsync(guest.Spec.Initrd!, _timeout.Token);
        byte[] padding = new byte[-initrd.Length & 3];
        byte[] perl = await File.ReadAllBytesAsync(guest.SpecWithAgent.InitrdOverlays[0], _timeout.Token);
        await File.WriteAllBytesAsync(Path.Combine(image, "initrd"), [.. initrd, .. padding, .. perl], _timeout.Token);
        string shared = _folder.PathOf("shared");
        Directory.CreateDirectory(shared);
        await HostCommand.RunAsync("chmod", ["-R", "a+rX", _folder.Root], _timeout.Token);
        await HostCommand.RunAsync("chown", [OrdinaryUserFactAttribute.User, shared], _timeout.Token);
        await File.WriteAllTextAsync(
            Path.Combine(shared, "user.pl"),
            """
            $( = $) = "1000 1000"; $< = $> = 1000; chdir "/mnt/w/p";
            open(F, ">", "f") and close F and open(F, ">>", "f") and close F and chmod(0444, "f") and utime(1, 1, "f") and mkdir("d", 0500) and print "worked-", 6 * 7, "\n";

            """,
            _timeout.Token);
        string line = $"{guest.Spec.CommandLine}{DebianTiny.MountOption([new FolderShare(shared, "w")])} strata.run=\"mkdir -m 777 " +
            $"/mnt/w/p; perl /mnt/w/user.pl\"";

        using HostCommand command = HostCommand.Start(
            "setpriv",
            new Dictionary<string, string> { ["HOME"] = shared, ["XDG_RUNTIME_DIR"] = shared },
            "--reuid", OrdinaryUserFactAttribute.User, "--regid", OrdinaryUserFactAttribute.User, "--clear-groups",
            "dotnet", Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll"), "run", "--kernel", Path.Combine(image, "kernel"),
            "--initrd", Path.Combine(image, "initrd"), "--append", line, "--share", $"{shared}:w", "-m", "256M");
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.True(code == 0, errors);
        Assert.Contains("worked-42", command.Output, StringComparison.Ordinal);
        Assert.Equal(
            OrdinaryUserFactAttribute.User,
            (await HostCommand.RunAsync("stat", ["-c", "%u", Path.Combine(shared, "p", "f")], _timeout.Token)).Trim());
    }

    public void Dispose()
    {
        _folder.Dispose();
        _timeout.Dispose();
    }

    private static void WriteTree(string root)
    {
        Random random = new(5_150);
        for (int i = 0; i < Files; i++)
        {
            string folder = Path.Combine(root, $"d{i % 7}");
            Directory.CreateDirectory(folder);
            byte[] content = new byte[random.Next(20_000)];
            random.NextBytes(content);
            File.WriteAllBytes(Path.Combine(folder, $"f{i}"), content);
        }
    }

    private SortedDictionary<string, string> Digests(string tree)
    {
        string root = _folder.PathOf(tree);
        return new(Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
            .ToDictionary(file => Path.GetRelativePath(root, file), file => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))),
            StringComparer.Ordinal);
    }

    /// <summary>Runs a script in the shared folder to its end.</summary>
    private async Task RunAsync(string script, FolderShare? share = null)
    {
        _folder.Write("script", System.Text.Encoding.ASCII.GetBytes(script + "\n"));
        await using VirtualMachine machine = await StartAsync(
            share ?? new FolderShare(_folder.Root, "data"), "cd /mnt/data && sh ./script");
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);
        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
    }

    private Task<VirtualMachine> StartAsync(FolderShare share, string command)
    {
        MachineSpec spec = Spec(share);
        return VirtualMachine.StartAsync(spec with { CommandLine = $"{spec.CommandLine} strata.run=\"{command}\"" }, _timeout.Token);
    }

    /// <summary>With the agent's Perl.</summary>
    private MachineSpec Spec(FolderShare share) => guest.SpecWithAgent with
    {
        Shares = [share],
        CommandLine = guest.Spec.CommandLine + DebianTiny.MountOption([share]),
    };
}
