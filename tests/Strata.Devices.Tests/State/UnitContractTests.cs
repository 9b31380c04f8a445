using System.Reflection;
using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Core.Time;
using Strata.Devices.Display;
using Strata.Devices.Firmware;
using Strata.Devices.Identity;
using Strata.Devices.Input;
using Strata.Devices.Interrupts;
using Strata.Devices.Power;
using Strata.Devices.Serial;
using Strata.Devices.Testing;
using Strata.Devices.Tests.Harness;
using Strata.Devices.Timers;

namespace Strata.Devices.Tests.State;

/// <summary>Each chip, in a state that a guest could have brought it to, holds the contract of units.</summary>
public sealed class UnitContractTests
{
    private const long Second = 1_000_000_000;

    private readonly ManualClock _clock = new();
    private readonly RecordingSink _interrupts = new();
    private readonly RecordingControl _control = new();

    [Fact]
    public void Pic8259_InService_HoldsTheContract()
    {
        Pic8259 pic = new(_ => { });
        foreach ((IPortDevice chip, int vectors) in new[] { (pic.Master, 0x20), (pic.Slave, 0x28) })
        {
            chip.Out(0, 0x11);
            chip.Out(1, vectors);
            chip.Out(1, 4);
            chip.Out(1, 1);
            chip.Out(1, 0x40);
        }

        pic.EdgeLevel.Out(1, 0x0C);
        pic.SetPin(10, true);
        pic.SetPin(1, true);
        pic.Acknowledge();

        UnitContract.Check(pic, (property, old) => property.Name switch
        {
            nameof(Pic8259ChipState.InitStep) => (byte)3,
            nameof(Pic8259ChipState.VectorBase) => (byte)0x58,
            _ => null,
        });
    }

    [Fact]
    public void IoApic_LevelInService_HoldsTheContract()
    {
        IoApic apic = new(_interrupts);
        apic.WriteMmio(0, AccessWidth.Dword, 0x10 + (2 * 9));
        apic.WriteMmio(0x10, AccessWidth.Dword, 0x8051);
        apic.SetPin(9, true);

        UnitContract.Check(apic, (property, old) => property.Name switch
        {
            nameof(IoApicState.Id) => 0x0300_0000u,
            _ => null,
        });
    }

    [Fact]
    public void Pit8254_Counting_HoldsTheContract()
    {
        Pit8254 pit = new(_clock, _interrupts.Line());
        _clock.Advance(Second);
        StartPeriodic(pit, count: 0x1234);
        pit.Out(3, 0xB6);
        pit.Out(2, 0x10);
        pit.Speaker.Out(0, 3);
        _clock.Advance(1_000_000);

        UnitContract.Check(pit, (property, old) => property.Name switch
        {
            nameof(Pit8254ChannelState.Reload) => 0x777,
            nameof(Pit8254ChannelState.Access) => (byte)2,
            nameof(Pit8254ChannelState.Latched) => 0x4321,
            nameof(Pit8254ChannelState.LatchedStatus) => (short)0x34,
            _ => null,
        });
    }

    [Fact]
    public void RtcMc146818_AlarmAndPeriodicOn_HoldsTheContract()
    {
        RtcMc146818 rtc = new(_clock, new WallClock(_clock, DateTime.UnixEpoch), _interrupts.Line(8));
        _clock.Advance(Second / 3);
        rtc.Out(0, 11);
        rtc.Out(1, 0x72);
        rtc.Out(0, 0x60);

        UnitContract.Check(rtc);
    }

    [Fact]
    public void Uart16550_WithInput_HoldsTheContract()
    {
        Uart16550 uart = new(new Discard(), _interrupts.Line(4), _clock);
        uart.Out(2, 1);
        uart.Out(1, 5);
        uart.Out(4, 0x0B);
        uart.Receive(new byte[100]);
        uart.Out(2, 0xC1);
        uart.In(0);
        uart.In(0);
        uart.In(0);

        UnitContract.Check(uart);
    }

    [Fact]
    public void Ps2Controller8042_WithOutput_HoldsTheContract()
    {
        Ps2Controller8042 keyboard = new(_control, _interrupts.Line(1), _interrupts.Line(12));
        keyboard.Out(0, 0xF2);
        keyboard.Status.Out(0, 0xD2);
        keyboard.Out(0, 1);
        keyboard.Status.Out(0, 0xD3);
        keyboard.Out(0, 2);
        keyboard.Status.Out(0, 0xD4);
        keyboard.Out(0, 0xF4);
        keyboard.Status.Out(0, 0xD4);

        UnitContract.Check(keyboard, (property, old) => property.Name switch
        {
            nameof(Ps2KeyboardState.Set) => (byte)3,
            _ => null,
        });
    }

    [Fact]
    public void Ps2Controller8042_RecordOfVersionOne_IsUnderstood()
    {
        Ps2Controller8042 keyboard = new(_control, _interrupts.Line(1));
        StateWriter body = new();
        body.WriteArray<byte>([0xFA, 0xAA]);
        foreach (byte field in (byte[])[0x45, 0xD1, 0xED, 0x03, 1])
        {
            body.Write(field);
        }

        StateWriter record = new();
        record.Write((ushort)1);
        record.WriteBytes(body.ToArray());
        ((IUnit)keyboard).Load(new StateReader(record.ToArray(), keyboard.UnitName));

        Assert.Equal((0xFA, 0xAA), (keyboard.In(0), keyboard.In(0)));
        Ps2Controller8042State state = keyboard.SaveState();
        Assert.Equal(
            (0x45, 0xD1, 0xED, 0x03, true),
            (state.Config, state.PendingCommand, state.Keyboard.Pending, state.OutputPort, state.LastWasCommand));
    }

    [Fact]
    public void AcpiPower_ButtonPressed_HoldsTheContract()
    {
        AcpiPower power = new(_control, _clock, _interrupts.Line(9)) { CanSleep = true };
        power.WritePort(2, AccessWidth.Word, 0x100);
        power.PressPowerButton();

        UnitContract.Check(power);
    }

    [Fact]
    public void GeneralPurposeEvents_Signalled_HoldsTheContract()
    {
        GeneralPurposeEvents events = new(_interrupts.Line(9));
        events.WritePort(2, AccessWidth.Word, 5);
        events.Signal(2);

        UnitContract.Check(events);
    }

    [Fact]
    public void VmGenerationId_Renewed_HoldsTheContract()
    {
        VmGenerationId id = new(Guid.Empty, () => { });
        id.Renew(new Guid("7d6c3f2a-0c4b-4e7b-9f43-0f2a5f0e9d11"));

        UnitContract.Check(id);
    }

    [Fact]
    public void IdentityRegister_Announced_HoldsTheContract()
    {
        IdentityRegister register = new(() => 0x1234_5002);
        register.WriteMmio(0, AccessWidth.Byte, 1);
        Assert.Equal(0x1234_5000UL, register.AddressSpace);

        UnitContract.Check(register);
    }

    [Fact]
    public void Crtc_CursorMoved_HoldsTheContract()
    {
        Crtc6845 crtc = new();
        crtc.Out(0, 0x0F);
        crtc.Out(1, 0x55);

        UnitContract.Check(crtc);
    }

    [Fact]
    public void ResetControl_HardReset_HoldsTheContract()
    {
        ResetControl reset = new(_control);
        reset.Out(0, 2);

        UnitContract.Check(reset, (property, old) => (byte)8);
    }

    [Fact]
    public void FwCfg_HalfRead_HoldsTheContract()
    {
        using GuestMemory ram = new(1 << 20);
        FwCfg firmware = new(new AddressSpace());
        firmware.WritePort(0, AccessWidth.Word, FwCfg.KeySignature);
        firmware.In(1);

        UnitContract.Check(firmware);
    }

    [Fact]
    public void UnitTestDevice_LinesHigh_HoldsTheContract()
    {
        UnitTestDevice device = new(_interrupts);
        device.Lines.Out(7, 1);
        device.Scratch.Out(0, 5);
        device.Memory.WriteMmio(100, AccessWidth.Dword, 77);

        UnitContract.Check(device);
    }

    private static void StartPeriodic(Pit8254 pit, int count)
    {
        pit.Out(3, 0x34);
        pit.Out(0, count & 0xFF);
        pit.Out(0, count >> 8);
    }

    private sealed class Discard : ISerialBackend
    {
        public void Write(ReadOnlySpan<byte> bytes)
        {
        }
    }
}
