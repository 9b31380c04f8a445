using System.Runtime.Versioning;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>`strata cp` onto what exists, with names of any bytes, and past what cannot be copied.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class CopyCommandTests(NamedMachine guest) : IClassFixture<NamedMachine>, IDisposable
{
    private const int Failure = 1;
    private const string Machine = NamedMachine.Name;

    /// <summary>A byte that begins no character, for printf(1).</summary>
    private const string OddByte = "\\351";

    private static readonly string Strata = Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll");

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Copy_OntoADisk_WritesTheDisk()
    {
        string disk = _folder.Write("disk.raw", new byte[1 << 20]);
        string payload = _folder.Write("payload", "payload"u8);
        using HostCommand run = StartWithDisk("with-disk", disk);
        await run.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);

        (int code, _, string errors) = await RunAsync("cp", payload, "with-disk:/dev/vda");
        string kind = (await RunAsync("exec", "with-disk", "stat", "-c", "%F", "/dev/vda")).Output;
        (int back, _, _) = await RunAsync("cp", "with-disk:/dev/vda", _folder.PathOf("back"));
        await RunAsync("stop", "with-disk");

        Assert.Equal((0, string.Empty, "block special file\n", 0), (code, errors, kind, back));
        Assert.Equal("payload"u8.ToArray(), (await File.ReadAllBytesAsync(disk, _timeout.Token))[..7]);
        Assert.Equal(File.ReadAllBytes(disk), File.ReadAllBytes(_folder.PathOf("back")));
    }

    [Fact]
    public async Task Copy_MoreThanADiskHolds_SaysSo()
    {
        string disk = _folder.Write("small.raw", new byte[1 << 20]);
        string payload = _folder.Write("payload", new byte[(1 << 20) + 1]);
        using HostCommand run = StartWithDisk("with-small-disk", disk);
        await run.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);

        (int code, _, string errors) = await RunAsync("cp", payload, "with-small-disk:/dev/vda");
        await RunAsync("stop", "with-small-disk");

        Assert.Equal(Failure, code);
        Assert.Contains("No space left on device", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Copy_OntoADevice_LeavesTheDevice()
    {
        string payload = _folder.Write("payload", "payload"u8);
        await GuestAsync("mknod /root/null c 1 3");

        Assert.Equal(0, (await RunAsync("cp", payload, $"{Machine}:/root/null")).Code);

        Assert.Equal("character special file\n", await GuestAsync("stat -c %F /root/null"));
    }

    [Fact]
    public async Task Copy_OntoALinkInTheGuest_WritesWhereItLeads()
    {
        string payload = _folder.Write("payload", "payload"u8);
        await GuestAsync(
            "mkdir -p /root/links/folder && cd /root/links && echo a-long-text > target"
            + " && ln -s target link && ln -s missing dangling && ln -s folder to-folder");

        Assert.Equal(0, (await RunAsync("cp", payload, $"{Machine}:/root/links/link")).Code);
        Assert.Equal(0, (await RunAsync("cp", payload, $"{Machine}:/root/links/dangling")).Code);
        Assert.Equal(0, (await RunAsync("cp", payload, $"{Machine}:/root/links/to-folder")).Code);

        Assert.Equal(
            "payload target payload missing payload",
            await GuestAsync(
                "cd /root/links && echo -n $(cat target; echo; readlink link; cat missing; echo; readlink dangling; cat folder/payload)"));
    }

    [Fact]
    public async Task Copy_OntoAFileOfAnotherOwner_KeepsOwnerModeAndHardLinks()
    {
        string payload = _folder.Write("payload", "payload"u8);
        await GuestAsync(
            "mkdir /root/owned && cd /root/owned && echo a-long-text > file && chmod 640 file && chown 7:8 file && ln file other");

        Assert.Equal(0, (await RunAsync("cp", payload, $"{Machine}:/root/owned/file")).Code);

        Assert.Equal("640 7 8 2 payload", await GuestAsync("cd /root/owned && echo -n $(stat -c '%a %u %g %h' file) $(cat other)"));
    }

    [Fact]
    public async Task Copy_TreeOntoATree_KeepsOwnersModesAndLinksOfWhatExists()
    {
        string tree = Directory.CreateDirectory(_folder.PathOf("merged")).FullName;
        Directory.CreateDirectory(Path.Combine(tree, "sub"));
        await File.WriteAllTextAsync(Path.Combine(tree, "sub", "file"), "new", _timeout.Token);
        await File.WriteAllTextAsync(Path.Combine(tree, "sub", "linked"), "through", _timeout.Token);
        await GuestAsync(
            "mkdir -p /root/merged/real && cd /root/merged && ln -s real sub && echo old-and-longer > real/file"
            + " && chmod 600 real/file && chown 7 real/file && chmod 1777 real && ln -s ../aim real/linked");

        (int code, _, string errors) = await RunAsync("cp", tree, $"{Machine}:/root");

        Assert.Equal((0, string.Empty), (code, errors));
        Assert.Equal(
            "real new 600 7 1777 ../aim through",
            await GuestAsync(
                "cd /root/merged && echo -n $(readlink sub) $(cat real/file) $(stat -c '%a %u' real/file)"
                + " $(stat -c %a real) $(readlink real/linked) $(cat aim)"));
    }

    [Fact]
    public async Task Copy_Replacing_PutsANewFileInItsPlace()
    {
        string payload = _folder.Write("payload", "payload"u8);
        await GuestAsync("mkdir /root/replaced && cd /root/replaced && echo target > target && ln -s target link && mknod null c 1 3");

        Assert.Equal(0, (await RunAsync("cp", "--replace", payload, $"{Machine}:/root/replaced/link")).Code);
        Assert.Equal(0, (await RunAsync("cp", "--replace", payload, $"{Machine}:/root/replaced/null")).Code);

        Assert.Equal(
            "target payload regular file regular file",
            await GuestAsync("cd /root/replaced && echo -n $(cat target) $(cat link) $(stat -c %F link) $(stat -c %F null)"));
    }

    [Fact]
    public async Task Copy_OntoAFifo_NeedsAReader()
    {
        string payload = _folder.Write("payload", "payload"u8);
        await GuestAsync("mkfifo /root/fifo");
        (int code, _, string errors) = await RunAsync("cp", payload, $"{Machine}:/root/fifo");
        using HostCommand reader = guest.Start("exec", Machine, "sh", "-c", "exec 3<>/root/fifo; echo ready; head -c 7 <&3");
        await reader.WaitForOutputAsync("ready", _timeout.Token);

        Assert.Equal(0, (await RunAsync("cp", payload, $"{Machine}:/root/fifo")).Code);

        await reader.WaitForExitAsync(_timeout.Token);
        Assert.Equal(Failure, code);
        Assert.Contains("/root/fifo", errors, StringComparison.Ordinal);
        Assert.Equal("ready\npayload", reader.Output);
    }

    [Fact]
    public async Task Copy_OntoWhatExistsOnTheHost_WritesIntoIt()
    {
        await GuestAsync("echo payload > /root/source");
        string file = _folder.Write("file", "a long text that was there"u8);
        File.SetUnixFileMode(file, (UnixFileMode)0b110_100_000);
        await HostCommand.RunAsync("ln", [file, _folder.PathOf("other")], _timeout.Token);
        File.CreateSymbolicLink(_folder.PathOf("link"), "file");
        File.CreateSymbolicLink(_folder.PathOf("dangling"), "made");
        await HostCommand.RunAsync("mkfifo", [_folder.PathOf("fifo")], _timeout.Token);
        using HostCommand reader = HostCommand.Start("cat", _folder.PathOf("fifo"));

        foreach (string target in (string[])["link", "dangling", "fifo"])
        {
            Assert.Equal((target, 0), (target, (await RunAsync("cp", $"{Machine}:/root/source", _folder.PathOf(target))).Code));
        }

        await reader.WaitForExitAsync(_timeout.Token);
        Assert.Equal("payload\n", reader.Output);
        Assert.Equal("payload\n", await File.ReadAllTextAsync(_folder.PathOf("other"), _timeout.Token));
        Assert.Equal("payload\n", await File.ReadAllTextAsync(_folder.PathOf("made"), _timeout.Token));
        Assert.Equal("file", new FileInfo(_folder.PathOf("link")).LinkTarget);
        Assert.Equal((UnixFileMode)0b110_100_000, File.GetUnixFileMode(file));
    }

    [Fact]
    public async Task Copy_ToStandardOutput_IsPrinted()
    {
        await GuestAsync("echo printed > /root/printed");

        Assert.Equal((0, "printed\n"), await HostAsync($"dotnet \"$0\" cp {Machine}:/root/printed /dev/stdout | cat"));
    }

    [Fact]
    public async Task Copy_EntriesThatCannotBeWritten_AreNamedAndTheRestIsCopied()
    {
        string tree = Directory.CreateDirectory(_folder.PathOf("partly")).FullName;
        Directory.CreateDirectory(Path.Combine(tree, "a-folder"));
        foreach (string name in (string[])["a-folder/inner", "b-file", "z"])
        {
            await File.WriteAllTextAsync(Path.Combine(tree, name), "new", _timeout.Token);
        }

        File.SetUnixFileMode(tree, (UnixFileMode)0b111_101_000);
        Directory.SetLastWriteTimeUtc(tree, DateTime.UnixEpoch.AddSeconds(1_000_000_000));
        await GuestAsync("mkdir -m 700 -p /root/partly/b-file && touch /root/partly/a-folder");

        (int code, _, string errors) = await RunAsync("cp", tree, $"{Machine}:/root");

        Assert.Equal(Failure, code);
        Assert.Matches(@"\Astrata: left out /root/partly/a-folder: .+\nstrata: left out /root/partly/b-file: .+\n\z", errors);
        Assert.Equal("new 1000000000", await GuestAsync("cd /root/partly && echo -n $(cat z) $(stat -c %Y .)"));
    }

    [Fact]
    public async Task Copy_FilesThatComeAndGo_DoNotEndTheCopy()
    {
        await GuestAsync("mkdir -m 750 /root/busy && cd /root/busy && for i in $(seq 200); do echo $i > f$i; done");
        const string comeAndGo = "cd /root/busy; echo ready; while :; do for i in $(seq 40); do echo x > tmp$i; done; rm -f tmp*; done";
        using HostCommand change = guest.Start("exec", Machine, "sh", "-c", comeAndGo);
        await change.WaitForOutputAsync("ready", _timeout.Token);

        (int code, _, string errors) = await RunAsync("cp", $"{Machine}:/root/busy", _folder.Root);

        Assert.InRange(code, 0, Failure);
        Assert.All(
            errors.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            line => Assert.StartsWith("strata: left out /root/busy/tmp", line, StringComparison.Ordinal));
        Assert.Equal(200, Directory.GetFiles(_folder.PathOf("busy"), "f*").Length);
        Assert.Equal((UnixFileMode)0b111_101_000, File.GetUnixFileMode(_folder.PathOf("busy")));
    }

    [Theory]
    [InlineData(246)]
    [InlineData(247)]
    [InlineData(248)]
    [InlineData(252)]
    [InlineData(255)]
    public async Task Copy_LongestNames_GoBothWays(int length)
    {
        string name = new('k', length);
        string source = _folder.Write(name, "x"u8);

        Assert.Equal(0, (await RunAsync("cp", source, $"{Machine}:/root")).Code);
        Assert.Equal(0, (await RunAsync("cp", $"{Machine}:/root/{name}", Directory.CreateDirectory(_folder.PathOf("back")).FullName)).Code);

        Assert.Equal("x", await File.ReadAllTextAsync(_folder.PathOf($"back/{name}"), _timeout.Token));
    }

    [Fact]
    public async Task Copy_TreeDeeperThanAPathCanBeLong_GoesBothWaysWhole()
    {
        const string make = "mkdir '/root/deep'; chdir '/root/deep'; for (1..50) { mkdir 'd'x100; chdir 'd'x100 } open F,'>bottom'; " +
            "print F 'here'";
        const string count = "$f=shift; chdir $f; while (chdir \"d\"x100) { $n++ } open F,\"<bottom\"; print \"$n \", <F>";
        await RunAsync("exec", Machine, "perl", "-e", make);

        (int fromGuest, _, string errors) = await RunAsync("cp", $"{Machine}:/root/deep", _folder.PathOf("deep"));
        (int toGuest, _, string others) = await RunAsync("cp", _folder.PathOf("deep"), $"{Machine}:/root/deep-again");

        Assert.Equal((0, string.Empty, 0, string.Empty), (fromGuest, errors, toGuest, others));
        Assert.Equal("50 here", (await RunAsync("exec", Machine, "perl", "-e", count, "/root/deep-again")).Output);
        await HostCommand.RunAsync("rm", ["-rf", _folder.PathOf("deep")], _timeout.Token); // .NET cannot
    }

    [Fact]
    public async Task Copy_NamesThatAreNoText_GoBothWays()
    {
        string script = $"cd \"$1\" && x=$(printf '{OddByte}') && mkdir \"d$x\" && echo in > \"d$x/f$x\" && ln -s \"d$x/f$x\" \"l$x\""
            + $" && dotnet \"$0\" cp \"d$x\" \"{Machine}:/root/e$x\" && dotnet \"$0\" cp \"{Machine}:/root/e$x/f$x\" \"$x\" && cat \"$x\""
            + $" && dotnet \"$0\" exec {Machine} cat \"/root/e$x/f$x\""
            + $" && mkdir t && cp -P \"l$x\" t && dotnet \"$0\" cp t {Machine}:/root/odd"
            + $" && dotnet \"$0\" exec {Machine} readlink \"/root/odd/l$x\" | od -An -tx1 && rm -rf ./*";

        Assert.Equal((0, "in\nin\n 64 e9 2f 66 e9 0a\n"), await HostAsync(script, _folder.Root));
    }

    [Fact]
    public async Task Exec_ArgumentsAndVariablesThatAreNoText_ArriveAsTheyAre()
    {
        string script = $"x=$(printf '{OddByte}')"
            + $"; dotnet \"$0\" exec -e \"X=$x\" {Machine} sh -c 'printf %s \"$X.$1\"' sh \"$x\" | od -An -tx1";

        Assert.Equal((0, " e9 2e e9\n"), await HostAsync(script));
    }

    [Fact]
    public async Task Copy_NameThatIsNoTextAndCannotBeCopied_IsNamed()
    {
        string script = $"x=$(printf '{OddByte}'); dotnet \"$0\" cp \"{Machine}:/no/$x\" \"$1\" 2>&1; echo $?";

        Assert.Equal((0, "strata: The guest refused: /no/\\xe9: No such file or directory.\n1\n"), await HostAsync(script, _folder.Root));
    }

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    private HostCommand StartWithDisk(string name, string disk) =>
        guest.Start("run", "debian-tiny", "--memory", "256M", "--name", name, "--disk", $"{disk},format=raw");

    private async Task<string> GuestAsync(string line)
    {
        (int code, string output, string errors) = await RunAsync("exec", Machine, "sh", "-c", line);
        Assert.Equal((0, string.Empty), (code, errors));
        return output;
    }

    /// <summary>A line for the host's shell, where $0 is the command's file.</summary>
    private async Task<(int Code, string Output)> HostAsync(string line, params string[] arguments)
    {
        using HostCommand shell = guest.StartTool("sh", ["-c", line, Strata, .. arguments]);
        shell.EndInput();
        (int code, _) = await shell.WaitForExitAsync(_timeout.Token);
        return (code, shell.Output);
    }

    private Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments) => guest.RunAsync(_timeout.Token, arguments);
}
