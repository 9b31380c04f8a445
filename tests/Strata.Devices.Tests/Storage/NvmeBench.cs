using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Devices.Pci;
using Strata.Devices.Storage.Nvme;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Storage;

/// <summary>A controller in a machine's place, and a driver for it.</summary>
internal sealed class NvmeBench : IDisposable
{
    public const int Slot = 4;
    public const ulong Data = 0x20_0000;

    private const ulong AdminSubmissions = 0x1_0000;
    private const ulong AdminCompletions = 0x1_1000;
    private const ulong Registers = 0xE000_0000;
    private const ulong Table = 0xE001_0000;
    private const int QueueSize = 16;

    private readonly GuestMemory _ram = new(8 << 20);
    private readonly int[] _tails = new int[17];
    private readonly int[] _heads = new int[17];
    private readonly bool[] _phases = [.. Enumerable.Repeat(true, 17)];

    public NvmeBench(MemoryDisk? disk = null, bool isSynchronous = true)
    {
        Disk = disk ?? new MemoryDisk(4096).Numbered();
        Memory.MapRam(0, _ram, 0, _ram.Size);
        Controller = new NvmeController(Memory, Disk, "serial7") { IsSynchronous = isSynchronous };
        PciBus bus = new(Memory, Sink, _ => Sink.Line(3));
        bus.Plug(Slot, Controller);
        Controller.WriteConfig(0x10, AccessWidth.Dword, (uint)Registers);
        Controller.WriteConfig(0x20, AccessWidth.Dword, (uint)Table);
        Controller.WriteConfig(0x04, AccessWidth.Word, 6);
    }

    public AddressSpace Memory { get; } = new();

    public MemoryDisk Disk { get; }

    public RecordingSink Sink { get; } = new();

    public NvmeController Controller { get; }

    public uint Status => (uint)Read(0x1C);

    public ulong Read(int register, AccessWidth width = AccessWidth.Dword) => Memory.Read(Registers + (ulong)register, width);

    public void Write(int register, ulong value, AccessWidth width = AccessWidth.Dword) =>
        Memory.Write(Registers + (ulong)register, width, value);

    /// <summary>Brings the controller up, with a pair of I/O queues.</summary>
    public NvmeBench Start(bool withMsix = true)
    {
        Write(0x24, ((QueueSize - 1) << 16) | (QueueSize - 1));
        Write(0x28, AdminSubmissions, AccessWidth.Qword);
        Write(0x30, AdminCompletions, AccessWidth.Qword);
        Write(0x14, 0x0046_0001);
        if (withMsix)
        {
            for (ulong vector = 0; vector < 17; vector++)
            {
                Memory.Write(Table + (vector * 16), AccessWidth.Qword, 0xFEE0_1000);
                Memory.Write(Table + (vector * 16) + 8, AccessWidth.Qword, 0x40 + vector);
            }

            int capability = (int)Controller.ReadConfig(0x34, AccessWidth.Byte);
            Controller.WriteConfig(capability + 2, AccessWidth.Word, 0x8000);
        }

        Assert.Equal(0, Admin(5, 0x1_3000, ((QueueSize - 1) << 16) | 1, (1 << 16) | 3).Status);
        Assert.Equal(0, Admin(1, 0x1_2000, ((QueueSize - 1) << 16) | 1, (1 << 16) | 1).Status);
        return this;
    }

    public (
        int Status, uint Result) Admin(byte opcode, ulong prp1 = 0, uint dword10 = 0, uint dword11 = 0, uint space = 0, uint dword12 = 0) =>
        Execute(0, opcode, prp1, 0, dword10, dword11, dword12, space);

    public int Io(byte opcode, ulong block = 0, int blocks = 1, ulong prp1 = Data, ulong prp2 = 0, uint space = 1) =>
        Execute(1, opcode, prp1, prp2, (uint)block, (uint)(block >> 32), (uint)(blocks - 1), space).Status;

    public (
        int Status,
        uint Result) Execute(int queue, byte opcode, ulong prp1, ulong prp2, uint dword10, uint dword11, uint dword12, uint space)
    {
        Submit(queue, opcode, prp1, prp2, dword10, dword11, dword12, space);
        (int Status, uint Result, ushort Command)? done = null;
        Assert.True(SpinWait.SpinUntil(() => (done = Take(queue)) is not null, TimeSpan.FromMinutes(1)), "The command was not completed.");
        return (done!.Value.Status, done.Value.Result);
    }

    public void Submit(
        int queue, byte opcode, ulong prp1, ulong prp2, uint dword10, uint dword11, uint dword12, uint space, ushort id = 0x55)
    {
        byte[] entry = new byte[64];
        entry[0] = opcode;
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(2), id);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(4), space);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(24), prp1);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(32), prp2);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(40), dword10);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(44), dword11);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(48), dword12);
        Memory.TryWriteBytes((queue == 0 ? AdminSubmissions : 0x1_2000) + (ulong)(_tails[queue] * 64), entry);
        _tails[queue] = (_tails[queue] + 1) % QueueSize;
        Write(0x1000 + (queue * 8), (ulong)_tails[queue]);
    }

    /// <summary>The next completion; null for none.</summary>
    public (int Status, uint Result, ushort Command)? Take(int queue)
    {
        ulong at = (queue == 0 ? AdminCompletions : 0x1_3000) + (ulong)(_heads[queue] * 16);
        uint last = (uint)Memory.Read(at + 12, AccessWidth.Dword);
        if (((last >> 16) & 1) != (_phases[queue] ? 1u : 0))
        {
            return null;
        }

        uint result = (uint)Memory.Read(at, AccessWidth.Dword);
        _heads[queue] = (_heads[queue] + 1) % QueueSize;
        _phases[queue] ^= _heads[queue] == 0;
        Write(0x1000 + (queue * 8) + 4, (ulong)_heads[queue]);
        return ((int)(last >> 17) & 0x7FF, result, (ushort)last);
    }

    public byte[] Bytes(ulong gpa, int count) => Memory.TryGetSpan(gpa, (uint)count, out ReadOnlySpan<byte> span) ? span.ToArray() : [];

    public void Dispose()
    {
        Controller.Dispose();
        _ram.Dispose();
    }
}
