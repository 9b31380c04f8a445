using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Devices.Input;
using Strata.Devices.Interrupts;
using Strata.Devices.Power;
using Strata.Devices.Serial;
using Strata.Devices.Tests.Harness;
using Strata.Devices.Timers;

namespace Strata.Devices.Tests.State;

/// <summary>Records from outside: a damaged one is refused, or makes a chip that goes on as one does.</summary>
public sealed class DamagedRecordTests : ISerialBackend
{
    private const long Second = 1_000_000_000;

    private readonly ManualClock _clock = new();
    private readonly List<(IUnit Unit, IPortDevice[] Ports)> _chips;

    public DamagedRecordTests()
    {
        RecordingSink messages = new();
        Pic8259 pic = new(_ => { });
        IsaInterrupts wires = new(pic, new IoApic(messages));
        RecordingControl control = new();
        Pit8254 pit = new(_clock, wires.Line(0));
        RtcMc146818 rtc = new(_clock, new WallClock(_clock, DateTime.UnixEpoch), wires.Line(8));
        Uart16550 uart = new(this, wires.Line(4), _clock);
        Ps2Controller8042 keyboard = new(control, wires.Line(1));
        AcpiPower power = new(control, _clock, wires.Line(9));
        _chips =
        [
            (pic, [pic.Master, pic.Slave, pic.EdgeLevel]),
            (pit, [pit, pit.Speaker]),
            (rtc, [rtc]),
            (uart, [uart]),
            (keyboard, [keyboard, keyboard.Status]),
            (power, [power]),
        ];
    }

    [Fact]
    public void Load_DamagedRecord_IsRefusedOrGoesOn()
    {
        Random random = new(32);
        int refused = 0;
        int loaded = 0;
        for (int i = 0; i < 20_000; i++)
        {
            (IUnit unit, IPortDevice[] ports) = _chips[i % _chips.Count];
            StateWriter writer = new();
            unit.Save(writer);
            byte[] bytes = writer.ToArray();
            for (int flips = random.Next(1, 4); flips > 0; flips--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            try
            {
                unit.Load(new StateReader(bytes, unit.UnitName));
                unit.Resume();
                loaded++;
            }
            catch (StateException error)
            {
                Assert.Contains(unit.UnitName, error.Message, StringComparison.Ordinal);
                refused++;
            }

            Use(ports[random.Next(ports.Length)], random);
            for (int fired = 0; fired < 20 && _clock.NextDeadline is { } next && next < _clock.Now + Second; fired++)
            {
                _clock.Advance(Math.Max(0, next - _clock.Now));
            }
        }

        Assert.True(refused > 1000 && loaded > 1000, $"{refused} refused, {loaded} loaded");
    }

    void ISerialBackend.Write(ReadOnlySpan<byte> bytes)
    {
    }

    private static void Use(IPortDevice ports, Random random)
    {
        for (int i = 0; i < 3; i++)
        {
            ports.WritePort((ushort)random.Next(2), AccessWidth.Byte, (uint)random.Next(256));
            ports.ReadPort((ushort)random.Next(2), AccessWidth.Byte);
        }
    }
}
