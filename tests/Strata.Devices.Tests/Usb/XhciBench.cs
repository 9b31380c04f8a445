using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.Devices.Pci;
using Strata.Devices.Tests.Harness;
using Strata.Devices.Usb;

namespace Strata.Devices.Tests.Usb;

/// <summary>A controller in a machine's place with a tablet and a keyboard, and a driver for it.</summary>
internal sealed class XhciBench : IDisposable
{
    public const ulong Commands = 0x1_0000;
    public const ulong Events = 0x1_1000;
    public const ulong Contexts = 0x1_2000;
    public const ulong Input = 0x1_3000;
    public const ulong Device = 0x1_4000;    // a page for each slot
    public const ulong Control = 0x2_0000;   // a page for each slot
    public const ulong Interrupts = 0x3_0000;
    public const ulong Data = 0x4_0000;

    private const ulong Registers = 0xE000_0000;
    private const ulong Table = 0xE001_0000;
    private const int EventCount = 64;

    private readonly GuestMemory _ram = new(8 << 20);
    private readonly Dictionary<ulong, (ulong Place, bool Cycle)> _rings = [];
    private int _event;
    private bool _eventCycle = true;

    public XhciBench()
    {
        Memory.MapRam(0, _ram, 0, _ram.Size);
        Controller = new XhciController(Memory, Clock, [Tablet, Keyboard]);
        PciBus bus = new(Memory, Sink, _ => Sink.Line(3));
        bus.Plug(4, Controller);
        Controller.WriteConfig(0x10, AccessWidth.Dword, (uint)Registers);
        Controller.WriteConfig(0x14, AccessWidth.Dword, (uint)Table);
        Controller.WriteConfig(0x04, AccessWidth.Word, 6);
    }

    public AddressSpace Memory { get; } = new();

    public ManualClock Clock { get; } = new();

    public RecordingSink Sink { get; } = new();

    public UsbTablet Tablet { get; } = new();

    public UsbKeyboard Keyboard { get; } = new();

    public XhciController Controller { get; }

    public uint Read(int register) => (uint)Memory.Read(Registers + (ulong)register, AccessWidth.Dword);

    public void Write(int register, ulong value, AccessWidth width = AccessWidth.Dword) =>
        Memory.Write(Registers + (ulong)register, width, value);

    /// <summary>Brings the controller up.</summary>
    public XhciBench Start()
    {
        Write(0x78, 8);
        Write(0x70, Contexts, AccessWidth.Qword);
        Write(0x58, Commands | 1, AccessWidth.Qword);
        Memory.Write(0x1_0F00, AccessWidth.Qword, Events);
        Memory.Write(0x1_0F08, AccessWidth.Qword, EventCount);
        Write(0x1028, 1);
        Write(0x1038, Events, AccessWidth.Qword);
        Write(0x1030, 0x1_0F00, AccessWidth.Qword);
        Write(0x1020, 2);
        Write(0x40, 5);
        return this;
    }

    /// <summary>Puts a TRB on a ring, without its doorbell.</summary>
    public ulong Put(ulong ring, int type, ulong parameter = 0, uint status = 0, uint control = 0)
    {
        (ulong place, bool cycle) = _rings.GetValueOrDefault(ring, (ring, true));
        Memory.Write(place, AccessWidth.Qword, parameter);
        Memory.Write(place + 8, AccessWidth.Dword, status);
        Memory.Write(place + 12, AccessWidth.Dword, control | ((uint)type << 10) | (cycle ? 1u : 0));
        _rings[ring] = (place + 16, cycle);
        if (place + 16 == ring + 0xF00)
        {
            Memory.Write(place + 16, AccessWidth.Qword, ring);
            Memory.Write(place + 28, AccessWidth.Dword, (6 << 10) | 2 | (cycle ? 1u : 0));
            _rings[ring] = (ring, !cycle);
        }

        return place;
    }

    public void Ring(int slot, int target = 0) => Write(0x2000 + (slot * 4), (uint)target);

    /// <summary>The next event; null for none.</summary>
    public (ulong Parameter, int Code, int Length, int Type, int Slot)? Take()
    {
        ulong place = Events + (ulong)(_event * 16);
        uint control = (uint)Memory.Read(place + 12, AccessWidth.Dword);
        if ((control & 1) != (_eventCycle ? 1u : 0))
        {
            return null;
        }

        ulong parameter = Memory.Read(place, AccessWidth.Qword);
        uint status = (uint)Memory.Read(place + 8, AccessWidth.Dword);
        _event = (_event + 1) % EventCount;
        _eventCycle ^= _event == 0;
        Write(0x1038, (Events + (ulong)(_event * 16)) | 8, AccessWidth.Qword);
        return (parameter, (int)(status >> 24), (int)(status & 0xFF_FFFF), (int)(control >> 10) & 0x3F, (int)(control >> 24));
    }

    /// <summary>Runs a command.</summary>
    public (int Code, int Slot) Command(int type, ulong parameter = 0, uint control = 0)
    {
        Put(Commands, type, parameter, 0, control);
        Ring(0);
        while (Take() is { } answer)
        {
            if (answer.Type == 33)
            {
                return (answer.Code, answer.Slot);
            }
        }

        return (0, 0);
    }

    /// <summary>Resets a port and gives its device an address.</summary>
    public int Address(int port)
    {
        Write(0x440 + ((port - 1) * 16), 0x210);
        while (Take() is not null)
        {
        }

        (int code, int slot) = Command(9);
        Assert.Equal(1, code);
        ulong context = Device + (ulong)(slot * 0x1000);
        Memory.Write(Contexts + (ulong)(slot * 8), AccessWidth.Qword, context);
        Memory.Write(Input, AccessWidth.Qword, 3UL << 32);
        Memory.Write(Input + 32, AccessWidth.Qword, (1u << 27) | ((ulong)port << 48));
        Memory.Write(Input + 64, AccessWidth.Qword, (8UL << 48) | (4UL << 35));
        Memory.Write(Input + 72, AccessWidth.Qword, (Control + (ulong)(slot * 0x1000)) | 1);
        Assert.Equal(1, Command(11, Input, (uint)slot << 24).Code);
        return slot;
    }

    /// <summary>A control request with data to the host; null where the device refuses it.</summary>
    public byte[]? Ask(int slot, byte type, byte request, int value, int index, int length)
    {
        ulong ring = Control + (ulong)(slot * 0x1000);
        Put(ring, 2, Setup(type, request, value, index, length), 8, (3 << 16) | (1 << 6));
        Put(ring, 3, Data, (uint)length, (1 << 16) | (1 << 2));
        Put(ring, 4, 0, 0, 1 << 5);
        Ring(slot, 1);
        int left = 0;
        while (Take() is { } answer)
        {
            if (answer.Code == 6)
            {
                return null;
            }

            left = answer.Code == 13 ? answer.Length : left;
        }

        return Bytes(Data, length - left);
    }

    /// <summary>A control request with or without data to the device.</summary>
    public int Tell(int slot, byte type, byte request, int value, int index, params byte[] data)
    {
        ulong ring = Control + (ulong)(slot * 0x1000);
        Put(ring, 2, Setup(type, request, value, index, data.Length), 8, (data.Length > 0 ? 2u << 16 : 0) | (1 << 6));
        if (data.Length > 0)
        {
            Memory.TryWriteBytes(Data, data);
            Put(ring, 3, Data, (uint)data.Length);
        }

        Put(ring, 4, 0, 0, (1 << 5) | (1 << 16));
        Ring(slot, 1);
        return Take()!.Value.Code;
    }

    /// <summary>Sets the device and its interrupt endpoint up, with a ring of its own.</summary>
    public void Configure(int slot)
    {
        Memory.Write(Input, AccessWidth.Qword, (1UL << 35) | (1UL << 32));
        Memory.Write(Input + 32, AccessWidth.Qword, 3u << 27);
        Memory.Write(Input + 128, AccessWidth.Qword, (8UL << 48) | (7UL << 35));
        Memory.Write(Input + 136, AccessWidth.Qword, (Interrupts + (ulong)(slot * 0x1000)) | 1);
        Assert.Equal(1, Command(12, Input, (uint)slot << 24).Code);
        Assert.Equal(1, Tell(slot, 0, 9, 1, 0));
    }

    public byte[] Bytes(ulong gpa, int count) => Memory.TryGetSpan(gpa, (uint)count, out ReadOnlySpan<byte> span) ? span.ToArray() : [];

    public void Dispose() => _ram.Dispose();

    private static ulong Setup(byte type, byte request, int value, int index, int length)
    {
        byte[] bytes = [type, request, 0, 0, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), (ushort)value);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(4), (ushort)index);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(6), (ushort)length);
        return BitConverter.ToUInt64(bytes);
    }
}
