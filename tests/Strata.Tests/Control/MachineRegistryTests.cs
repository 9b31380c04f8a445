using System.Net.Sockets;
using System.Runtime.Versioning;
using Strata.Control;

namespace Strata.Tests.Control;

/// <summary>Names of running machines, and the sockets behind them.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class MachineRegistryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly MachineRegistry _registry;

    public MachineRegistryTests() => _registry = new MachineRegistry(_folder.PathOf("strata"));

    [Fact]
    public async Task Reserve_NameThatRuns_IsRefusedWithTheRemedy()
    {
        await using MachineReservation first = await _registry.ReserveAsync("web", "debian", _timeout.Token);

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => _registry.ReserveAsync("web", "debian", _timeout.Token));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("strata stop web", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reserve_NameThatWasGivenBack_IsFree()
    {
        await (await _registry.ReserveAsync("web", "debian", _timeout.Token)).DisposeAsync();

        await using MachineReservation second = await _registry.ReserveAsync("web", "debian", _timeout.Token);

        Assert.True(File.Exists(_folder.PathOf("strata/web.sock")));
    }

    [Fact]
    public async Task Reserve_SocketOfADeadMachine_IsReplaced()
    {
        LeaveSocketBehind("web");

        await using MachineReservation reservation = await _registry.ReserveAsync("web", "debian", _timeout.Token);

        Assert.Equal("web", reservation.Name);
    }

    [Fact]
    public async Task List_SocketOfADeadMachine_IsCleanedUp()
    {
        LeaveSocketBehind("dead");

        Assert.Empty(await _registry.ListAsync(_timeout.Token));
        Assert.False(File.Exists(_folder.PathOf("strata/dead.sock")));
    }

    [Fact]
    public async Task List_MachineThatDoesNotAnswer_IsListedAsSuch()
    {
        await using MachineReservation reservation = await _registry.ReserveAsync("slow", "debian", _timeout.Token);

        MachineDescription machine = Assert.Single(await _registry.ListAsync(_timeout.Token));

        Assert.Equal(("slow", false), (machine.Name, machine.Answers));
    }

    [Fact]
    public async Task Reserve_ManyAtOnceWithoutNames_GetDifferentOnes()
    {
        MachineReservation[] all = await Task.WhenAll(Enumerable.Range(0, 12).Select(
            _ => Task.Run(() => new MachineRegistry(_registry.Folder).ReserveAsync(null, "debian-tiny", _timeout.Token))));

        Assert.Equal(
            ["debian-tiny", .. Enumerable.Range(2, 11).Select(number => $"debian-tiny-{number}")],
            all.Select(one => one.Name).OrderBy(name => name.Length).ThenBy(name => name, StringComparer.Ordinal));
        await Task.WhenAll(all.Select(one => one.DisposeAsync().AsTask()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("../x")]
    [InlineData("a/b")]
    [InlineData("-x")]
    [InlineData("a b")]
    [InlineData("a\u001b[2J")]
    [InlineData("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddX")]
    public async Task Reserve_NoName_IsRefused(string name)
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(() => _registry.ReserveAsync(name, "debian", _timeout.Token));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.DoesNotContain('\u001b', error.Message);
        Assert.Throws<StrataException>(() => _registry.Find(name));
    }

    [Theory]
    [InlineData("vmlinuz-6.1.0_amd64 (copy)", "vmlinuz-6.1.0_amd64--copy-")]
    [InlineData("", "machine")]
    [InlineData("-x", "machine")]
    public async Task Reserve_WithoutAName_IsNamedAfterWhatItRuns(string image, string expected)
    {
        await using MachineReservation reservation = await _registry.ReserveAsync(null, image, _timeout.Token);

        Assert.Equal(expected, reservation.Name);
    }

    [Fact]
    public void Find_NothingRuns_SaysHowToSeeWhatDoes()
    {
        StrataException error = Assert.Throws<StrataException>(() => _registry.Find("web"));

        Assert.Contains("strata list", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reserve_FolderOpenToOthers_IsRefused()
    {
        Directory.CreateDirectory(_registry.Folder);
        File.SetUnixFileMode(_registry.Folder, (UnixFileMode)0b111_101_101);

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => _registry.ReserveAsync("web", "debian", _timeout.Token));

        Assert.Contains("open to other users", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StrataException>(() => _registry.ListAsync(_timeout.Token));
    }

    [Fact]
    public async Task Reserve_FolderIsALink_IsRefused()
    {
        Directory.CreateDirectory(_folder.PathOf("elsewhere"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateSymbolicLink(_registry.Folder, _folder.PathOf("elsewhere"));

        await Assert.ThrowsAsync<StrataException>(() => _registry.ReserveAsync("web", "debian", _timeout.Token));
    }

    [Fact]
    public async Task Reserve_FolderThatOthersCouldReplace_IsRefused()
    {
        string parent = _folder.PathOf("open");
        Directory.CreateDirectory(parent);
        File.SetUnixFileMode(parent, (UnixFileMode)0b111_111_111);

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => new MachineRegistry(Path.Combine(parent, "strata")).ReserveAsync("web", "debian", _timeout.Token));

        Assert.Contains("replace", error.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    /// <summary>As a process does that is killed: the name stays, nobody listens.</summary>
    private void LeaveSocketBehind(string name)
    {
        Directory.CreateDirectory(_registry.Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string path = Path.Combine(_registry.Folder, name + ".sock");
        string aside = path + ".aside";
        using (Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));
            File.Move(path, aside); // closing removes the name that was bound
        }

        File.Move(aside, path);
    }
}
