using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.Memory;
using Strata.Devices.Pci;
using Strata.Devices.Storage;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Storage;

/// <summary>An IDE function with a disk and a CD drive, as a driver sees it: ports, memory, and the wires of two interrupts.</summary>
internal sealed class IdeBench : IDisposable
{
    public const int Sectors = 1000;
    public const int DiscSectors = 4 * 60;
    public const uint Table = 0x1000;
    public const uint Buffer = 0x4000;
    private const int MasterBase = 0xC000;

    private readonly GuestMemory _ram = new(1 << 20);
    private readonly RecordingSink _links = new();

    public IdeBench(bool isSynchronous = true, bool isReadOnly = false, NumberedDisk? disc = null)
    {
        Memory.MapRam(0, _ram, 0, _ram.Size);
        Disk = new NumberedDisk(Sectors, isReadOnly);
        Disc = disc ?? new NumberedDisk(DiscSectors, isReadOnly: true);
        Line = Interrupts.Line(14);
        DiscLine = Interrupts.Line(15);
        First = new IdeChannel("ide0", Memory, Line, new AtaDisk(Disk, "SERIAL"), null) { IsSynchronous = isSynchronous };
        Second = new IdeChannel("ide1", Memory, DiscLine, Drive = new AtapiDrive(Disc, "CDROM"), null) { IsSynchronous = isSynchronous };
        Function = new Piix3Ide(First, Second);
        Function.MapPorts(Ports);
        new PciBus(Memory, _links, link => _links.Line(link), Ports).Plug(1, Function);
        Function.WriteConfig(0x20, AccessWidth.Dword, MasterBase);
        Function.WriteConfig(0x04, AccessWidth.Word, 5);
    }

    public AddressSpace Memory { get; } = new();

    public PortSpace Ports { get; } = new();

    public RecordingSink Interrupts { get; } = new();

    public InterruptLine Line { get; }

    public InterruptLine DiscLine { get; }

    public NumberedDisk Disk { get; }

    public NumberedDisk Disc { get; }

    public AtapiDrive Drive { get; }

    public IdeChannel First { get; }

    public IdeChannel Second { get; }

    public Piix3Ide Function { get; }

    public Span<byte> Ram => _ram.Slice(0, 1 << 20);

    public byte In(int port) => (byte)Ports.Read((ushort)port, AccessWidth.Byte);

    public void Out(int port, int value) => Ports.Write((ushort)port, AccessWidth.Byte, (uint)value);

    /// <summary>Gives a command of 28-bit addresses to the disk.</summary>
    public void Command(byte command, int sector, int count)
    {
        Out(0x1F6, 0xE0 | ((sector >> 24) & 0xF));
        Out(0x1F2, count);
        Out(0x1F3, sector);
        Out(0x1F4, sector >> 8);
        Out(0x1F5, sector >> 16);
        Out(0x1F7, command);
    }

    /// <summary>Gives a command of 48-bit addresses to the disk.</summary>
    public void CommandExt(byte command, long sector, int count)
    {
        Out(0x1F6, 0xE0);
        Out(0x1F2, count >> 8);
        Out(0x1F2, count);
        for (int i = 0; i < 3; i++)
        {
            Out(0x1F3 + i, (int)(sector >> (24 + (8 * i))));
            Out(0x1F3 + i, (int)(sector >> (8 * i)));
        }

        Out(0x1F7, command);
    }

    /// <summary>Reads through the data register, by words.</summary>
    public byte[] ReadData(int count, int port = 0x1F0)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i += 2)
        {
            uint word = Ports.Read((ushort)port, AccessWidth.Word);
            (bytes[i], bytes[i + 1]) = ((byte)word, (byte)(word >> 8));
        }

        return bytes;
    }

    public void WriteData(ReadOnlySpan<byte> bytes, int port = 0x1F0)
    {
        for (int i = 0; i < bytes.Length; i += 2)
        {
            Ports.Write((ushort)port, AccessWidth.Word, bytes[i] | ((uint)bytes[i + 1] << 8));
        }
    }

    /// <summary>Gives a packet to the CD drive.</summary>
    /// <param name="limit">Bytes between two interrupts.</param>
    public void Packet(ReadOnlySpan<byte> command, int limit = 0xFFFE, bool isDma = false)
    {
        byte[] packet = new byte[12];
        command.CopyTo(packet);
        Out(0x176, 0xA0);
        Out(0x171, isDma ? 1 : 0);
        Out(0x174, limit);
        Out(0x175, limit >> 8);
        Out(0x177, 0xA0);
        WriteData(packet, 0x170);
    }

    /// <summary>Gives a packet and reads all that comes, part by part.</summary>
    public byte[] PacketReply(ReadOnlySpan<byte> command, int limit = 0xFFFE)
    {
        Packet(command, limit);
        List<byte> reply = [];
        while ((In(0x177) & 0x89) == 0x08)
        {
            int part = In(0x174) | (In(0x175) << 8);
            reply.AddRange(ReadData((part + 1) & ~1, 0x170)[..part]);
        }

        return [.. reply];
    }

    /// <summary>Fills the bus master's table.</summary>
    public void Describe(params (uint Address, int Count)[] pieces)
    {
        for (int i = 0; i < pieces.Length; i++)
        {
            uint last = i == pieces.Length - 1 ? 0x8000_0000 : 0;
            Memory.Write(Table + ((uint)i * 8), AccessWidth.Dword, pieces[i].Address);
            Memory.Write(Table + ((uint)i * 8) + 4, AccessWidth.Dword, (uint)pieces[i].Count | last);
        }
    }

    /// <summary>Starts a bus master.</summary>
    /// <param name="channel">0 or 1.</param>
    public void StartMaster(bool toMemory, int channel = 0)
    {
        int port = MasterBase + (8 * channel);
        Ports.Write((ushort)(port + 4), AccessWidth.Dword, Table);
        Out(port + 2, 6);
        Out(port, toMemory ? 8 : 0);
        Out(port, toMemory ? 9 : 1);
    }

    public byte MasterStatus(int channel = 0) => In(MasterBase + (8 * channel) + 2);

    public void Dispose()
    {
        First.Dispose();
        Second.Dispose();
        _ram.Dispose();
    }
}
