using Strata.Core.Bus;
using Strata.Core.Networking;
using Strata.Core.Sharing;
using Strata.Core.State;
using Strata.Shares;
using Strata.Virtio.Balloon;
using Strata.Virtio.Block;
using Strata.Virtio.Console;
using Strata.Virtio.FileSystem;
using Strata.Virtio.Network;
using Strata.Virtio.Tests.Harness;
using Strata.Virtio.Tests.Network;
using Strata.Virtio.Vsock;

namespace Strata.Virtio.Tests.State;

/// <summary>Damaged records of every unit: each is refused with a sentence or loaded, and what was loaded runs without harm.</summary>
public sealed class HostileStateTests : IDisposable
{
    private const int Mutations = 3000;

    private readonly string _folder = Directory.CreateTempSubdirectory("strata-hostile-").FullName;
    private readonly HostFolder _share;

    public HostileStateTests()
    {
        File.WriteAllText(Path.Combine(_folder, "file"), "content");
        _share = HostFolder.Open(_folder);
    }

    public void Dispose()
    {
        _share.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("block")]
    [InlineData("network")]
    [InlineData("console")]
    [InlineData("balloon")]
    [InlineData("vsock")]
    [InlineData("file-system")]
    public void Load_DamagedRecords_AreRefusedOrHarmless(string kind)
    {
        Random random = new(kind.Length);
        RecordingBackend backend = new();
        using VirtioDriver driver = new(memory => Create(kind, memory, backend));
        driver.StartQueues(VirtioDriver.Version1 | VirtioDriver.EventIndex, 2);
        driver.EnableMsixOfQueues(2);
        _share.Lookup(IFileShare.Root, "file"u8, out FileEntry entry);
        _share.Open(entry.Node, OpenMode.Read, out _, out _);
        driver.Roster.Quiesce();
        IReadOnlyList<UnitRecord> good = driver.Roster.Save();
        int refused = 0;
        for (int i = 0; i < Mutations; i++)
        {
            List<UnitRecord> records = [.. good];
            int unit = 2 + random.Next(3); // function, transport, device
            records[unit] = records[unit] with { Bytes = Damage(records[unit].Bytes.ToArray(), random) };
            try
            {
                driver.Roster.Load(records);
            }
            catch (StateException error)
            {
                refused++;
                Assert.Contains("pci/01.0", error.Message, StringComparison.Ordinal);
            }

            driver.Roster.Resume();
            driver.Notify(random.Next(3));
            backend.Receiver?.TryReceive(new byte[60], [], FrameOffload.None);
            driver.Roster.Quiesce();
        }

        driver.Roster.Reset();
        driver.Roster.Load(good);
        Assert.Equal(good.Select(record => record.Bytes.ToArray()), driver.Roster.Save().Select(record => record.Bytes.ToArray()));
        Assert.InRange(refused, 1, Mutations - 1);
    }

    private static byte[] Damage(byte[] bytes, Random random)
    {
        switch (random.Next(8))
        {
            case 0:
                return bytes[..random.Next(bytes.Length)];
            case 1:
                return [.. bytes, (byte)random.Next(256)];
            default:
                for (int i = random.Next(1, 4); i > 0; i--)
                {
                    bytes[random.Next(bytes.Length)] = random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => (byte)random.Next(256) };
                }

                return bytes;
        }
    }

    private VirtioDevice Create(string kind, AddressSpace memory, RecordingBackend backend) => kind switch
    {
        "block" => new VirtioBlock(memory, new MemoryDisk(64), "serial", queues: 2),
        "network" => new VirtioNetwork(memory, backend, [2, 0, 0, 0, 0, 1], pairs: 2),
        "console" => new VirtioConsole(memory, _ => { }),
        "balloon" => new VirtioBalloon(memory),
        "vsock" => new VirtioVsock(memory),
        _ => new VirtioFileSystem(memory, _share, "tag"),
    };
}
