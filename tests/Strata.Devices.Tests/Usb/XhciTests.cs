using Strata.Core.Bus;
using Strata.Core.Input;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Devices.Tests.Harness;
using Strata.Devices.Usb;

namespace Strata.Devices.Tests.Usb;

/// <summary>xHCI 1.2, "Operational Model", with a keyboard and a tablet.</summary>
public sealed class XhciTests : IDisposable
{
    private const int TabletPort = 1;
    private const int KeyboardPort = 2;
    private const uint Connected = 1;
    private const uint Enabled = 2;

    private readonly XhciBench _bench = new XhciBench().Start();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Ports_WithDevices_AreConnectedAndEnabledByAReset()
    {
        Assert.Equal([1u, 1u, 0u, 0u], Enumerable.Range(0, 4).Select(port => _bench.Read(0x440 + (port * 16)) & Connected));

        _bench.Write(0x440, 0x210);

        Assert.Equal(Connected | Enabled, _bench.Read(0x440) & 3);
        Assert.Equal((34, 1), _bench.Take() is { } change ? (change.Type, (int)(change.Parameter >> 24)) : default);
    }

    [Theory]
    [InlineData(TabletPort, "Tablet", 0)]
    [InlineData(KeyboardPort, "Keyboard", 1)]
    public void Descriptors_OfADevice_TellWhatItIs(int port, string name, byte protocol)
    {
        int slot = _bench.Address(port);

        byte[] device = _bench.Ask(slot, 0x80, 6, 0x0100, 0, 18)!;
        byte[] all = _bench.Ask(slot, 0x80, 6, 0x0200, 0, 255)!;
        byte[] product = _bench.Ask(slot, 0x80, 6, 0x0302, 0x0409, 255)!;
        byte[] report = _bench.Ask(slot, 0x81, 6, 0x2200, 0, 255)!;

        Assert.Equal((18, 8), (device.Length, device[7]));
        Assert.Equal((all.Length, 3, protocol), (all[2], all[14], all[16]));
        Assert.Contains(name, System.Text.Encoding.Unicode.GetString(product.AsSpan(2)), StringComparison.Ordinal);
        Assert.Equal(all[9 + 9 + 7], report.Length);
        Assert.Equal(0xC0, report[^1]);
    }

    [Fact]
    public void Request_Unknown_StallsUntilTheEndpointIsReset()
    {
        int slot = _bench.Address(TabletPort);
        uint target = ((uint)slot << 24) | (1 << 16);

        Assert.Null(_bench.Ask(slot, 0x80, 6, 0x0F00, 0, 5));
        Assert.Equal(1, _bench.Command(14, 0, target).Code);
        ulong next = _bench.Put(XhciBench.Control + (ulong)(slot * 0x1000), 8);
        Assert.Equal(1, _bench.Command(16, next | 1, target).Code);

        Assert.Equal(18, _bench.Ask(slot, 0x80, 6, 0x0100, 0, 18)!.Length);
    }

    [Fact]
    public void Keyboard_KeysOfAnybody_AreReported()
    {
        int slot = Configured(KeyboardPort);
        AskReports(slot, 4);

        _bench.Keyboard.Send(KeyCode.ShiftLeft, true);
        _bench.Keyboard.Send(KeyCode.A, true);
        _bench.Keyboard.Send(KeyCode.Up, true);
        _bench.Keyboard.Send(KeyCode.A, false);

        Assert.Equal(
            ["02 00 00 00 00 00 00 00", "02 00 04 00 00 00 00 00", "02 00 04 52 00 00 00 00", "02 00 52 00 00 00 00 00"],
            Reports(slot, 4, 8));
        Assert.True(_bench.Keyboard.IsIdle);
    }

    [Fact]
    public void Keyboard_MoreKeysThanItKeeps_EndsInTheStateOfNow()
    {
        int slot = Configured(KeyboardPort);
        for (int i = 0; i < 40; i++)
        {
            _bench.Keyboard.Send(KeyCode.B, i % 2 == 0);
        }

        AskReports(slot, 40);

        Assert.Equal("00 00 00 00 00 00 00 00", Reports(slot, 33, 8)[^1]);
    }

    [Fact]
    public void Keyboard_Lamps_AreWhatTheGuestSends()
    {
        int slot = Configured(KeyboardPort);

        Assert.Equal(1, _bench.Tell(slot, 0x21, 9, 0x0200, 0, 3));

        Assert.Equal(KeyboardLamps.NumLock | KeyboardLamps.CapsLock, _bench.Keyboard.Lamps);
    }

    [Fact]
    public void Tablet_Places_AreReportedOnceTheGuestListens()
    {
        _bench.Tablet.MoveTo(1, 1, 0, PointerButtons.None);
        Assert.False(_bench.Tablet.IsReady);
        int slot = Configured(TabletPort);
        Assert.True(_bench.Tablet.IsReady);
        AskReports(slot, 2);

        _bench.Tablet.MoveTo(0x1234, 0x7FFF, 1, PointerButtons.Left);
        _bench.Tablet.MoveTo(99_999, -5, 0, PointerButtons.None);

        Assert.Equal(["01 34 12 FF 7F FF", "00 FF 7F 00 00 00"], Reports(slot, 2, 6));
    }

    [Fact]
    public void StopEndpoint_WaitingForAReport_TellsWhereItWas()
    {
        int slot = Configured(KeyboardPort);
        ulong place = _bench.Put(XhciBench.Interrupts + (ulong)(slot * 0x1000), 1, XhciBench.Data, 8, 1 << 5);
        _bench.Ring(slot, 3);

        _bench.Put(XhciBench.Commands, 15, 0, 0, ((uint)slot << 24) | (3 << 16));
        _bench.Ring(0);

        Assert.Equal((place, 26, 8), _bench.Take() is { } stopped ? (stopped.Parameter, stopped.Code, stopped.Length) : default);
        Assert.Equal((33, 1), _bench.Take() is { } done ? (done.Type, done.Code) : default);
        Assert.Equal(place | 1, _bench.Memory.Read(XhciBench.Device + (ulong)(slot * 0x1000) + 96 + 8, AccessWidth.Qword));
    }

    [Fact]
    public void Interrupt_OfAnEvent_IsLowAgainWhenItIsTaken()
    {
        _bench.Put(XhciBench.Commands, 23);
        _bench.Ring(0);
        Assert.True(_bench.Sink.Levels[^1].High);

        _bench.Write(0x1020, 3);

        Assert.False(_bench.Sink.Levels[^1].High);
    }

    [Fact]
    public void Events_MoreThanTheRingHolds_WaitForRoom()
    {
        int slot = Configured(KeyboardPort);
        AskReports(slot, 80);
        for (int i = 0; i < 80; i++)
        {
            _bench.Keyboard.Send(KeyCode.B, i % 2 == 0);
        }

        int events = 0;
        while (_bench.Take() is not null)
        {
            events++;
        }

        Assert.Equal(80, events);
    }

    [Fact]
    public void Commands_OfNoSlot_FailByCode()
    {
        Assert.Equal(11, _bench.Command(11, XhciBench.Input, 3u << 24).Code);
        Assert.Equal(11, _bench.Command(10, 0, 200u << 24).Code);
        int[] slots = [.. Enumerable.Range(0, 9).Select(_ => _bench.Command(9).Slot)];
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 0], slots);
    }

    [Fact]
    public void Units_InUse_HoldTheContract()
    {
        int slot = Configured(KeyboardPort);
        AskReports(slot, 1);
        _bench.Keyboard.Send(KeyCode.A, true);
        _bench.Keyboard.Send(KeyCode.B, true);

        UnitContract.Check((IUnit<XhciState>)_bench.Controller.Units.ElementAt(1), (property, old) => property.Name switch
        {
            nameof(XhciState.Registers) => new uint[] { 5, 8, 2, 7, 3, 9, 1 },
            nameof(XhciState.Ports) => new uint[] { 0x203, 0x603, 0x2A0, 0x2A0 },
            nameof(XhciState.EventIndex) => 5,
            nameof(XhciState.EventSize) => 32,
            nameof(XhciSlotState.Port) => (byte)1,
            nameof(XhciSlotState.EndpointStates) => Enumerable.Repeat((byte)2, 32).ToArray(),
            nameof(XhciSlotState.Rings) => Enumerable.Repeat(0x1230UL, 32).ToArray(),
            nameof(XhciSlotState.Data) => new byte[] { 1, 2 },
            nameof(XhciSlotState.Given) => 2,
            _ => null,
        });
        UnitContract.Check(_bench.Keyboard, (property, _) => property.Name switch
        {
            nameof(UsbHidState.Current) => new byte[] { 1, 0, 4, 5, 6, 7, 8, 9 },
            nameof(UsbHidState.Reports) => new byte[16],
            _ => null,
        });
    }

    [Fact]
    public void Load_InAnotherMachine_GoesOn()
    {
        int slot = Configured(KeyboardPort);
        AskReports(slot, 2);
        using XhciBench other = new();
        foreach (ulong place in Enumerable.Range(0, 0x50).Select(page => (ulong)page * 0x1000))
        {
            other.Memory.TryWriteBytes(place, _bench.Bytes(place, 0x1000));
        }

        foreach ((IUnit from, IUnit to) in _bench.Controller.Units.Zip(other.Controller.Units))
        {
            StateWriter writer = new();
            from.Save(writer);
            to.Load(new StateReader(writer.ToArray(), to.UnitName));
        }

        other.Keyboard.Send(KeyCode.Z, true);

        Assert.Equal(0x1D, other.Bytes(XhciBench.Data + 2, 1)[0]);
    }

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public void RandomRingsAndRegisters_OfAHostileGuest_AlwaysEnd(int seed)
    {
        Random random = new(seed);
        ulong[] places =
            [0, XhciBench.Commands, XhciBench.Input, XhciBench.Device, XhciBench.Control, 0x7F_FFF8, 0xE000_0000, ulong.MaxValue - 7];
        Configured(KeyboardPort);
        for (int i = 0; i < 20_000; i++)
        {
            ulong place = places[random.Next(places.Length)] + (ulong)random.Next(512 * 16);
            switch (random.Next(6))
            {
                case 0:
                    _bench.Write(random.Next(0x2100 / 4) * 4, (uint)random.NextInt64() & ~2u);
                    break;
                case 1:
                    _bench.Memory.Write(place & ~7UL, AccessWidth.Qword, places[random.Next(places.Length)] | (uint)random.Next(16));
                    break;
                case 2:
                    _bench.Put(
                        random.Next(2) == 0 ? XhciBench.Commands : XhciBench.Control + 0x1000, random.Next(25), place,
                        (uint)random.Next(64),
                        ((uint)random.Next(4) << 24) | ((uint)random.Next(5) << 16) | (uint)(random.Next(64) << 1));
                    break;
                case 3:
                    _bench.Keyboard.Send((KeyCode)random.Next(128), random.Next(2) == 0);
                    break;
                case 4:
                    _bench.Start();
                    break;
                default:
                    _bench.Ring(random.Next(9), random.Next(6));
                    break;
            }
        }

        IUnit<XhciState> unit = (IUnit<XhciState>)_bench.Controller.Units.ElementAt(1);
        unit.LoadState(unit.SaveState());
        Assert.Equal(0u, unit.SaveState().Registers[3] & ~0xFu);
    }

    private int Configured(int port)
    {
        int slot = _bench.Address(port);
        _bench.Configure(slot);
        return slot;
    }

    /// <summary>Offers buffers for reports, 16 bytes apart.</summary>
    private void AskReports(int slot, int count)
    {
        for (int i = 0; i < count; i++)
        {
            _bench.Put(XhciBench.Interrupts + (ulong)(slot * 0x1000), 1, XhciBench.Data + (ulong)(i * 16), 8, 1 << 5);
        }

        _bench.Ring(slot, 3);
    }

    private string[] Reports(int slot, int count, int size)
    {
        string[] reports = new string[count];
        for (int i = 0; i < count; i++)
        {
            (ulong _, int code, int length, int type, int from) = _bench.Take()!.Value;
            Assert.Equal((32, slot, size == 8 ? 1 : 13, 8 - size), (type, from, code, length));
            reports[i] = BitConverter.ToString(_bench.Bytes(XhciBench.Data + (ulong)(i * 16), size)).Replace('-', ' ');
        }

        return reports;
    }
}
