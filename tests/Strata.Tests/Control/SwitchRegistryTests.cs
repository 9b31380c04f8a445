using System.Net.Sockets;
using System.Runtime.Versioning;
using Strata.Control;
using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;

namespace Strata.Tests.Control;

/// <summary>Switches by name, in folders of their own.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class SwitchRegistryTests : IDisposable
{
    private const byte LocallyAdministered = 2;
    private const byte Group = 1;

    private readonly TemporaryFolder _folder = new();

    private string Root => _folder.PathOf("strata");

    [Fact]
    public async Task List_MachinesOnTwoSwitches_NamesBothAndTheirHosts()
    {
        SwitchRegistry registry = new(Root);
        using NamedSwitchPort one = Join(registry, "b-lab", "one");
        using NamedSwitchPort two = Join(registry, "b-lab", "two");
        using NamedSwitchPort three = Join(registry, "a-lab", "three");

        IReadOnlyList<SwitchDescription> all = await registry.ListAsync();
        for (int attempt = 0; attempt < 10 && !all.All(lab => lab.Answers); attempt++)
        {
            all = await registry.ListAsync(); // a busy host of tests may not answer in the time that a person would wait
        }

        Assert.Equal([("a-lab", "three"), ("b-lab", "one")], all.Select(lab => (lab.Name, lab.Host)));
        Assert.Equal([null, "one", "two"], all[1].Ports.Select(port => port.Machine));
    }

    /// <summary>Each host lets go when all were asked: asked one after the other, the first would be given up.</summary>
    [Fact]
    public async Task List_ManyHostsThatDoNotAnswer_AsksThemAllAtOnce()
    {
        const int hosts = 16;
        SwitchRegistry registry = new(Root);
        Join(registry, "lab", "one").Dispose(); // makes the folder
        Socket[] sockets = [.. Enumerable.Range(0, hosts).Select(number => Listen($"silent-{number}"))];
        IReadOnlyList<SwitchDescription> all = [];
        int attempts = 0;
        do // a busy host of tests may not get round in the time that a person would wait
        {
            Thread server = new(() =>
            {
                Socket[] asked = [.. sockets.Select(socket => socket.Accept())];
                Array.ForEach(asked, socket => socket.Dispose());
            });
            server.Start();
            all = await registry.ListAsync();
            server.Join();
        }
        while (all.Count > 0 && ++attempts < 3);

        Array.ForEach(sockets, socket => socket.Dispose());
        Assert.Empty(all);
    }

    [Fact]
    public async Task Find_SwitchWhoseMachinesHaveEnded_IsBadInput()
    {
        SwitchRegistry registry = new(Root);
        Join(registry, "lab", "one").Dispose();

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => registry.FindAsync("lab"));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Empty(await registry.ListAsync());
    }

    [Fact]
    public void Join_FolderThatOthersMayEnter_IsRefused()
    {
        Directory.CreateDirectory(
            Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherExecute);

        StrataException error = Assert.Throws<StrataException>(() => Join(new SwitchRegistry(Root), "lab", "one"));

        Assert.Contains("chmod 700", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CreateMac_OfNames_IsOneOfAStationAndTheSameForTheSameNames()
    {
        MacAddress[] macs = [.. Enumerable.Range(0, 1000).Select(number => SwitchRegistry.CreateMac("lab", $"machine-{number}"))];

        Assert.Equal(1000, macs.Distinct().Count());
        Assert.All(macs, mac => Assert.Equal(LocallyAdministered, mac.ToBytes()[0] & (LocallyAdministered | Group)));
        Assert.Equal(macs[7], SwitchRegistry.CreateMac("lab", "machine-7"));
        Assert.NotEqual(macs[7], SwitchRegistry.CreateMac("other", "machine-7"));
    }

    [Fact]
    public void CreateMac_WithoutAName_IsAnotherEachTime() =>
        Assert.NotEqual(SwitchRegistry.CreateMac("lab", null), SwitchRegistry.CreateMac("lab", null));

    [Theory]
    [InlineData("")]
    [InlineData("../up")]
    [InlineData("a b")]
    public void Switch_BadName_IsBadInput(string name) =>
        Assert.Equal(StrataError.BadInput, Assert.Throws<StrataException>(() => NetworkCard.Switch(name)).Error);

    public void Dispose() => _folder.Dispose();

    private Socket Listen(string name)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(Root, name + ".switch")));
        socket.Listen();
        return socket;
    }

    private NamedSwitchPort Join(SwitchRegistry registry, string name, string machine) =>
        registry.Join(name, machine, SwitchRegistry.CreateMac(name, machine), null);
}
