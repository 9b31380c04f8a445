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
        await using VirtualMachine machine = await StartAsync(new FolderShare(_folder.Root, "ro", IsReadOnly: true), "cd /mnt/ro; cat file; touch new || rm file || echo x > file || echo refused-$((6 * 7))");

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
            .ToDictionary(file => Path.GetRelativePath(root, file), file => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))), StringComparer.Ordinal);
    }

    /// <summary>Runs a script in the shared folder to its end.</summary>
    private async Task RunAsync(string script)
    {
        _folder.Write("script", System.Text.Encoding.ASCII.GetBytes(script + "\n"));
        await using VirtualMachine machine = await StartAsync(new FolderShare(_folder.Root, "data"), "cd /mnt/data && sh ./script");
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);
        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
    }

    private Task<VirtualMachine> StartAsync(FolderShare share, string command)
    {
        MachineSpec spec = Spec(share);
        return VirtualMachine.StartAsync(spec with { CommandLine = $"{spec.CommandLine} strata.run=\"{command}\"" }, _timeout.Token);
    }

    private MachineSpec Spec(FolderShare share) => guest.Spec with
    {
        Shares = [share],
        CommandLine = guest.Spec.CommandLine + DebianTiny.MountOption([share]),
    };
}
