using System.Text;
using Strata.Core.Bus;
using Strata.Core.Storage;
using Strata.Devices.Serial;
using Strata.Machines.Boards;
using Strata.Machines.Engines;
using Strata.Machines.Firmware;

namespace Strata.Machines.Tests.Firmware;

/// <summary>What firmware reads about the order in which it is to try devices.</summary>
public sealed class BootOrderFileTests : ISerialBackend
{
    private const ushort Selector = 0x510;
    private const ushort Directory = 0x19;

    [Fact]
    public void File_OfAMachineWithEveryDisk_NamesThemInOrder()
    {
        using PcBoard board = Create(
            [BootSource.Optical, BootSource.Disk],
            new SmallDisk(), new SmallDisk(), new SmallDisk(), new SmallDisk());

        string[] lines = ReadOrder(board)!.Split('\n');

        Assert.Equal(
            [
                "/pci@i0cf8/ide@1,1/drive@1/disk@0",
                "/pci@i0cf8/ide@1,1/drive@0/disk@0",
                "/pci@i0cf8/pci8086,5845@5/namespace@1,0",
                "/pci@i0cf8/scsi@6/disk@0,0",
                "/pci@i0cf8/pci8086,2922@4/drive@0/disk@0",
            ],
            lines);
    }

    [Fact]
    public void File_OfAMachineWithoutDevices_IsNone()
    {
        using PcBoard board = Create([BootSource.Network]);

        Assert.Null(ReadOrder(board));
    }

    void ISerialBackend.Write(ReadOnlySpan<byte> bytes)
    {
    }

    private PcBoard Create(IReadOnlyList<BootSource> order, params SmallDisk[] disks) => new(new PcBoardOptions
    {
        MemorySize = 16 << 20,
        Engine = EngineRegistry.Interpreter,
        Serial = this,
        StartTime = DateTime.UnixEpoch,
        Kernel = null,
        Disks = [.. disks.Skip(1)],
        DiskControllers = [DiskController.Nvme, DiskController.Virtio, DiskController.Ahci],
        Firmware = new PcFirmwareOptions
        {
            Rom = new byte[64 << 10],
            VideoRom = [],
            Drives = [.. disks.Take(1).Select(disk => new IdeDriveOptions(disk)), new IdeDriveOptions(null, IsOptical: true)],
            BootOrder = order,
        },
    });

    private static string? ReadOrder(PcBoard board)
    {
        byte[] count = Read(board, Directory, 4);
        byte[] directory = Read(board, Directory, 4 + (64 * count[3]));
        for (int entry = 4; entry < directory.Length; entry += 64)
        {
            if (Encoding.ASCII.GetString(directory, entry + 8, 56).TrimEnd('\0') == BootOrderFile.Name)
            {
                ushort key = (ushort)((directory[entry + 4] << 8) | directory[entry + 5]);
                byte[] file = Read(board, key, (directory[entry + 2] << 8) | directory[entry + 3]);
                Assert.Equal(0, file[^1]);
                return Encoding.ASCII.GetString(file, 0, file.Length - 1);
            }
        }

        return null;
    }

    private static byte[] Read(PcBoard board, ushort key, int length)
    {
        board.Ports.Write(Selector, AccessWidth.Word, key);
        return [.. Enumerable.Range(0, length).Select(_ => (byte)board.Ports.Read(Selector + 1, AccessWidth.Byte))];
    }

    private sealed class SmallDisk : IBlockBackend
    {
        public long Sectors => 64;

        public bool IsReadOnly => false;

        public void Read(long offset, Span<byte> buffer) => buffer.Clear();

        public void Write(long offset, ReadOnlySpan<byte> buffer)
        {
        }

        public void Flush()
        {
        }

        public void Discard(long offset, long length)
        {
        }

        public void WriteZeros(long offset, long length)
        {
        }

        public void Dispose()
        {
        }
    }
}
