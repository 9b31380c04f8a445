using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Devices.Pci;
using Strata.Devices.Storage;
using Strata.Devices.Storage.Ahci;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Storage;

/// <summary>A controller with a disk on port 0 and a CD drive on port 1, and a driver for it.</summary>
internal sealed class AhciBench : IDisposable
{
    public const ulong Data = 0x20_0000;
    public const ulong Fis = 0x1_8000;

    private const ulong Registers = 0xE000_0000;
    private const ulong List = 0x1_0000;
    private const ulong Table = 0x1_4000;

    private readonly GuestMemory _ram = new(8 << 20);

    public AhciBench(bool isSynchronous = true)
    {
        Memory.MapRam(0, _ram, 0, _ram.Size);
        Controller = new AhciController(Memory, [new AtaDisk(Disk, "serial7"), new AtapiDrive(Disc, "serial8")])
        {
            IsSynchronous = isSynchronous,
        };
        PciBus bus = new(Memory, Sink, _ => Sink.Line(3));
        bus.Plug(4, Controller);
        Controller.WriteConfig(0x24, AccessWidth.Dword, (uint)Registers);
        Controller.WriteConfig(0x04, AccessWidth.Word, 6);
    }

    public AddressSpace Memory { get; } = new();

    public MemoryDisk Disk { get; } = new MemoryDisk(4096).Numbered();

    public MemoryDisk Disc { get; } = new MemoryDisk(400, isReadOnly: true).Numbered();

    public RecordingSink Sink { get; } = new();

    public AhciController Controller { get; }

    public bool IsLineHigh => Sink.Levels.LastOrDefault().High;

    public uint Read(int register) => (uint)Memory.Read(Registers + (ulong)register, AccessWidth.Dword);

    public void Write(int register, uint value) => Memory.Write(Registers + (ulong)register, AccessWidth.Dword, value);

    public uint Port(int register, int port = 0) => Read(0x100 + (port * 0x80) + register);

    public void SetPort(int register, uint value, int port = 0) => Write(0x100 + (port * 0x80) + register, value);

    /// <summary>Brings both ports up, with interrupts.</summary>
    public AhciBench Start()
    {
        Write(0x04, 0x8000_0002);
        for (int port = 0; port < 2; port++)
        {
            SetPort(0x00, (uint)List + ((uint)port * 0x400), port);
            SetPort(0x08, (uint)Fis + ((uint)port * 0x100), port);
            SetPort(0x30, uint.MaxValue, port);
            SetPort(0x14, 0x7DC0_007F, port);
            SetPort(0x18, 0x11, port);
        }

        return this;
    }

    /// <summary>Issues a command and waits for its end.</summary>
    /// <returns>PxTFD.</returns>
    public uint Execute(
        byte command, ulong block = 0, int count = 1, int port = 0, bool writes = false, byte features = 0, byte[]? packet = null,
        params (ulong Address, int Length)[] places)
    {
        Issue(0, command, block, count, port, writes, features, packet, places);
        Assert.True(
            SpinWait.SpinUntil(() => (Port(0x38, port) & 1) == 0 || (Port(0x10, port) & 0x6000_0000) != 0, TimeSpan.FromMinutes(1)),
            "The command has not ended.");
        return Port(0x20, port);
    }

    public void Issue(
        int slot, byte command, ulong block, int count, int port, bool writes, byte features, byte[]? packet,
        params (ulong Address, int Length)[] places)
    {
        ulong table = Table + (ulong)(slot * 0x400) + ((ulong)port * 0x8000);
        byte[] fis = new byte[0x80];
        (fis[0], fis[1], fis[2], fis[3], fis[7]) = (0x27, 0x80, command, features, 0x40);
        for (int i = 0; i < 3; i++)
        {
            fis[4 + i] = (byte)(block >> (8 * i));
            fis[8 + i] = (byte)(block >> (24 + (8 * i)));
        }

        (fis[12], fis[13]) = ((byte)count, (byte)(count >> 8));
        if (command is 0x60 or 0x61)
        {
            (fis[3], fis[11], fis[12], fis[13]) = ((byte)count, (byte)(count >> 8), (byte)(slot << 3), 0);
        }

        packet?.CopyTo(fis, 0x40);
        Memory.TryWriteBytes(table, fis);
        for (int i = 0; i < places.Length; i++)
        {
            Memory.Write(table + 0x80 + (ulong)(i * 16), AccessWidth.Qword, places[i].Address);
            Memory.Write(table + 0x80 + (ulong)(i * 16) + 12, AccessWidth.Dword, (uint)places[i].Length - 1);
        }

        byte[] header = new byte[32];
        BinaryPrimitives.WriteUInt32LittleEndian(
            header, 5 | (packet is null ? 0u : 0x20) | (writes ? 0x40u : 0) | ((uint)places.Length << 16));
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), table);
        Memory.TryWriteBytes(List + ((ulong)port * 0x400) + (ulong)(slot * 32), header);
        SetPort(0x38, 1u << slot, port);
    }

    public byte[] Bytes(ulong gpa, int count) => Memory.TryGetSpan(gpa, (uint)count, out ReadOnlySpan<byte> span) ? span.ToArray() : [];

    public void Dispose()
    {
        Controller.Dispose();
        _ram.Dispose();
    }
}
