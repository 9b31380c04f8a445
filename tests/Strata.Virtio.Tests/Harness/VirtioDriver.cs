using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Devices.Pci;
using Strata.Virtio.Transport;

namespace Strata.Virtio.Tests.Harness;

/// <summary>
/// A driver in the test's thread: it finds the structures through the PCI capabilities and talks to the device through guest
/// memory and registers only. VIRTIO 1.2, "Virtio Over PCI Bus".
/// </summary>
internal sealed class VirtioDriver : IInterruptSink, IMsiSink, IDisposable
{
    public const ulong RamSize = 0x10_0000;
    public const ulong Version1 = 1UL << 32;
    public const ulong EventIndex = 1UL << 29;
    public const byte Acknowledged = 1 | 2;
    public const byte FeaturesOk = 8;
    public const byte DriverOk = 4;
    public const byte NeedsReset = 0x40;

    private const ulong Bar0 = 0xE000_0000;
    private const ulong Bar1 = 0xE001_0000;
    private const int Command = 4;
    private readonly Dictionary<byte, ulong> _structures = [];
    private readonly VirtioDevice _device;
    private readonly List<uint> _messages = [];
    private readonly Lock _gate = new();
    private bool _line;

    public VirtioDriver(Func<AddressSpace, VirtioDevice> create)
    {
        Space.MapRam(0, Memory, 0, RamSize);
        _device = create(Space);
        Function = new VirtioPci(_device);
        PciBus bus = new(Space, this, link => new InterruptLine(this, link));
        bus.Plug(1, Function);
        bus.Units.ToList().ForEach(Roster.Add);
        Function.WriteConfig(0x10, AccessWidth.Dword, (uint)Bar0);
        Function.WriteConfig(0x14, AccessWidth.Dword, (uint)Bar1);
        Function.WriteConfig(Command, AccessWidth.Word, 6);
        FindStructures();
    }

    public GuestMemory Memory { get; } = new(RamSize);

    public AddressSpace Space { get; } = new();

    public VirtioPci Function { get; }

    /// <summary>The bus, its host bridge, and the device in three units: function, transport, device.</summary>
    public UnitRoster Roster { get; } = new();

    public int MsixCapability { get; private set; }

    public int WindowCapability { get; private set; }

    public byte Status
    {
        get => (byte)ReadCommon(0x14, AccessWidth.Byte);
        set => WriteCommon(0x14, AccessWidth.Byte, value);
    }

    public bool Line
    {
        get
        {
            lock (_gate)
            {
                return _line;
            }
        }
    }

    public int MessageCount
    {
        get
        {
            lock (_gate)
            {
                return _messages.Count;
            }
        }
    }

    public static void WaitUntil(Func<bool> condition, string what)
    {
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromMinutes(1)), $"Waited in vain for {what}.");
    }

    public ulong ReadCommon(ulong offset, AccessWidth width) => Space.Read(_structures[1] + offset, width);

    public void WriteCommon(ulong offset, AccessWidth width, ulong value) => Space.Write(_structures[1] + offset, width, value);

    public byte ReadIsr() => (byte)Space.Read(_structures[3], AccessWidth.Byte);

    public ulong ReadDevice(ulong offset, AccessWidth width) => Space.Read(_structures[4] + offset, width);

    public void WriteDevice(ulong offset, AccessWidth width, ulong value) => Space.Write(_structures[4] + offset, width, value);

    public void Notify(int queue = 0) => Space.Write(_structures[2] + ((ulong)queue * 4), AccessWidth.Word, (ulong)queue);

    public ulong OfferedFeatures()
    {
        WriteCommon(0, AccessWidth.Dword, 0);
        ulong low = ReadCommon(4, AccessWidth.Dword);
        WriteCommon(0, AccessWidth.Dword, 1);
        return low | (ReadCommon(4, AccessWidth.Dword) << 32);
    }

    /// <returns>Whether FEATURES_OK stuck.</returns>
    public bool Negotiate(ulong features)
    {
        Status = 0;
        Status = Acknowledged;
        WriteCommon(8, AccessWidth.Dword, 0);
        WriteCommon(0xC, AccessWidth.Dword, (uint)features);
        WriteCommon(8, AccessWidth.Dword, 1);
        WriteCommon(0xC, AccessWidth.Dword, features >> 32);
        Status = Acknowledged | FeaturesOk;
        return (Status & FeaturesOk) != 0;
    }

    /// <summary>Enables a queue with rings anywhere, good or bad.</summary>
    public void EnableQueue(ushort size, ulong descriptors, ulong available, ulong used, int queue = 0)
    {
        WriteCommon(0x16, AccessWidth.Word, (ulong)queue);
        WriteCommon(0x18, AccessWidth.Word, size);
        WriteCommon(0x20, AccessWidth.Qword, descriptors);
        WriteCommon(0x28, AccessWidth.Qword, available);
        WriteCommon(0x30, AccessWidth.Qword, used);
        WriteCommon(0x1C, AccessWidth.Word, 1);
    }

    /// <summary>From reset to DRIVER_OK with one queue, whose memory is cleared.</summary>
    public DriverRing Start(ulong features = Version1, ushort size = 16, ulong at = 0x1000)
    {
        DriverRing ring = new(Memory, at, size);
        Assert.True(Negotiate(features));
        Memory.Slice(at, (int)(ring.Used - at) + 6 + (8 * size)).Clear();
        EnableQueue(size, ring.Descriptors, ring.Available, ring.Used);
        Status = Acknowledged | FeaturesOk | DriverOk;
        return ring;
    }

    /// <summary>From reset to DRIVER_OK with several queues, 64 KiB of memory apart.</summary>
    public DriverRing[] StartQueues(ulong features, int count, ushort size = 16, ulong at = 0x1000)
    {
        Assert.True(Negotiate(features));
        DriverRing[] rings = new DriverRing[count];
        for (int i = 0; i < count; i++)
        {
            rings[i] = new DriverRing(Memory, at + (0x10000UL * (uint)i), size);
            Memory.Slice(rings[i].Descriptors, (int)(rings[i].Used - rings[i].Descriptors) + 6 + (8 * size)).Clear();
            EnableQueue(size, rings[i].Descriptors, rings[i].Available, rings[i].Used, i);
        }

        Status = Acknowledged | FeaturesOk | DriverOk;
        return rings;
    }

    /// <summary>Gives queue n the MSI-X vector n, whose message is 40H + n.</summary>
    public void EnableMsixOfQueues(int count)
    {
        for (uint vector = 0; vector < count; vector++)
        {
            Space.Write(Bar1 + (vector * 16), AccessWidth.Qword, 0xFEE0_0000);
            Space.Write(Bar1 + (vector * 16) + 8, AccessWidth.Qword, 0x40 + vector);
            WriteCommon(0x16, AccessWidth.Word, vector);
            WriteCommon(0x1A, AccessWidth.Word, vector);
        }

        Function.WriteConfig(MsixCapability + 2, AccessWidth.Word, 0x8000);
    }

    /// <summary>Routes queue 0 and configuration changes to MSI-X vectors 0 and 1.</summary>
    public void EnableMsix()
    {
        for (uint vector = 0; vector < 2; vector++)
        {
            Space.Write(Bar1 + (vector * 16), AccessWidth.Qword, 0xFEE0_0000);
            Space.Write(Bar1 + (vector * 16) + 8, AccessWidth.Qword, 0x40 + vector);
        }

        Function.WriteConfig(MsixCapability + 2, AccessWidth.Word, 0x8000);
        WriteCommon(0x10, AccessWidth.Word, 1);
        WriteCommon(0x16, AccessWidth.Word, 0);
        WriteCommon(0x1A, AccessWidth.Word, 0);
    }

    public uint[] Messages()
    {
        lock (_gate)
        {
            return [.. _messages];
        }
    }

    public void SetPin(int pin, bool high)
    {
        lock (_gate)
        {
            _line = high;
        }
    }

    /// <summary>This controller has no record: it learns the levels of its pins from the devices.</summary>
    public void RestorePin(int pin, bool high) => SetPin(pin, high);

    public void Send(ulong address, uint data)
    {
        lock (_gate)
        {
            _messages.Add(data);
        }
    }

    /// <summary>Puts what this quiesced machine is into another one, which is quiesced from then on.</summary>
    public void MoveTo(VirtioDriver other)
    {
        other.Roster.Quiesce();
        Memory.Slice(0, (int)RamSize).CopyTo(other.Memory.Slice(0, (int)RamSize));
        other.Roster.Load(Roster.Save());
    }

    public void Dispose()
    {
        _device.Dispose();
        Memory.Dispose();
    }

    private void FindStructures()
    {
        int at = (int)Function.ReadConfig(0x34, AccessWidth.Byte);
        while (at != 0)
        {
            byte id = (byte)Function.ReadConfig(at, AccessWidth.Byte);
            byte type = (byte)Function.ReadConfig(at + 3, AccessWidth.Byte);
            if (id == 0x11)
            {
                MsixCapability = at;
            }
            else if (id == 9 && type == 5)
            {
                WindowCapability = at;
            }
            else if (id == 9)
            {
                Assert.Equal(0U, Function.ReadConfig(at + 4, AccessWidth.Byte));
                _structures[type] = Bar0 + Function.ReadConfig(at + 8, AccessWidth.Dword);
            }

            at = (int)Function.ReadConfig(at + 1, AccessWidth.Byte);
        }
    }
}
