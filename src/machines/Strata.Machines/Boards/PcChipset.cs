using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Devices.Display;
using Strata.Devices.Firmware;
using Strata.Devices.Identity;
using Strata.Devices.Input;
using Strata.Devices.Interrupts;
using Strata.Devices.Pci;
using Strata.Devices.Power;
using Strata.Devices.Serial;
using Strata.Devices.Sound;
using Strata.Devices.Testing;
using Strata.Devices.Timers;
using Strata.Machines.Firmware;

namespace Strata.Machines.Boards;

/// <summary>
/// The chips that every PC has at fixed addresses: interrupt controllers, timers, keyboard controller, serial port, power.
/// </summary>
internal sealed class PcChipset
{
    private const int ShutdownCode = 0x0F; // in CMOS RAM: why a PC/AT begins anew
    private const byte ResumesFromMemory = 0xFE;

    private readonly BoardWiring _wiring;
    private readonly Pit8254 _pit;
    private readonly RtcMc146818 _rtc;
    private readonly Ps2Controller8042 _keyboard;
    private readonly Crtc6845? _crtc; // where there is no display
    private readonly FwCfg _firmware;
    private readonly GeneralPurposeEvents _events;
    private readonly Hpet? _hpet;
    private UnitTestDevice? _testDevice;

    /// <param name="onPicOutput">Called with the level of the PICs' INTR output when it changes.</param>
    /// <param name="addressSpace">Of the processor whose instruction is served on the calling thread; null for none.</param>
    /// <param name="firmware">Null for a machine without.</param>
    public PcChipset(BoardWiring wiring, Action<bool> onPicOutput, Func<ulong?> addressSpace, PcFirmware? firmware)
    {
        _wiring = wiring;
        Firmware = firmware;
        Pic = new Pic8259(onPicOutput);
        IoApic = new IoApic(wiring.Apics);
        wiring.Apics.EoiSink = IoApic;
        Interrupts = new IsaInterrupts(Pic, IoApic);
        InterruptLine intervalTimer = Interrupts.Line(0);
        InterruptLine realTimeClock = Interrupts.Line(PcMemoryMap.RtcPin);
        if (wiring.Options.HasHpet)
        {
            _hpet = CreateHpet(ref intervalTimer, ref realTimeClock);
        }

        Sound = wiring.Options.Sound is { } sound ? new SoundMixer(wiring.Clock, sound) : null;
        _pit = new Pit8254(wiring.Clock, intervalTimer) { Sound = Sound };
        _keyboard = new Ps2Controller8042(
            wiring.Control,
            Interrupts.Line(PcMemoryMap.KeyboardPin),
            firmware is null ? null : Interrupts.Line(PcMemoryMap.MousePin),
            firmware?.A20,
            wiring.Clock);
        SharedInterruptLine sci = new(Interrupts.Line(PcMemoryMap.SciPin));
        Power = new AcpiPower(wiring.Control, wiring.Clock, sci.CreateInput()) 
        {
            IsPiix4 = firmware is not null,
            CanSleep = firmware is not null,
        };
        _events = new GeneralPurposeEvents(sci.CreateInput());
        GenerationId = new VmGenerationId(wiring.Options.GenerationId, () => _events.Signal(PcMemoryMap.GenerationEvent));
        _rtc = new RtcMc146818(wiring.Clock, wiring.Wall, realTimeClock) { AlarmRang = Power.SignalAlarm };
        Reset = new ResetControl(wiring.Control);
        Serial = new Uart16550(wiring.Options.Serial, Interrupts.Line(PcMemoryMap.SerialPin), wiring.Clock)
        {
            HoldsEarlyInput = true,
            RequiresOut2 = false,
        };
        Identity = new IdentityRegister(addressSpace);
        _firmware = CreateFirmwareConfiguration();
        _crtc = firmware is null ? new Crtc6845() : null;
        firmware?.Describe(_firmware, _rtc);
        Map(wiring.Memory, wiring.Ports);
    }

    /// <summary>What the speaker is heard by, with a sound card that disposes it; null for a machine without sound.</summary>
    public SoundMixer? Sound { get; }

    /// <summary>Keyboard and mouse.</summary>
    public Ps2Controller8042 Keyboard => _keyboard;

    /// <summary>Null for a machine whose guest is loaded for it.</summary>
    public PcFirmware? Firmware { get; }

    public Pic8259 Pic { get; }

    public IoApic IoApic { get; }

    public IsaInterrupts Interrupts { get; }

    public AcpiPower Power { get; }

    /// <summary>What tells the machine from others that begin where it was saved.</summary>
    public VmGenerationId GenerationId { get; }

    /// <summary>Where the guest says which of its programs makes a clone a machine of its own.</summary>
    public IdentityRegister Identity { get; }

    /// <summary>The reset register, which lies inside PCI's ports.</summary>
    public ResetControl Reset { get; }

    /// <summary>The first serial port.</summary>
    public Uart16550 Serial { get; }

    /// <summary>Tells firmware, if there is any, what to start from, once everything is plugged in.</summary>
    public void DescribeBootOrder(PciBus bus)
    {
        PcBoardOptions board = _wiring.Options;
        IEnumerable<DiskController> disks = board.Disks.Select((_, index) => board.DiskControllers.ElementAtOrDefault(index));
        if (board.Firmware is { } options
            && BootOrderFile.Build(options.BootOrder, bus, options.Drives, options.Floppies.Count, disks) is { Length: > 0 } order)
        {
            _firmware.AddFile(BootOrderFile.Name, order);
        }
    }

    /// <summary>Tells firmware, which is about to start, that the guest's memory is whole, and the guest what has woken it.</summary>
    public void AnnounceWake(ushort cause)
    {
        _rtc.SetByte(ShutdownCode, ResumesFromMemory);
        Power.ReportWake(cause);
    }

    /// <summary>Puts what has state on the roster: interrupt controllers before what interrupts.</summary>
    public void Enlist(UnitRoster roster)
    {
        Firmware?.Enlist(roster);
        IUnit[] display = _crtc is null ? [] : [_crtc];
        foreach (
            IUnit unit in (IUnit[])[
                Pic, IoApic, _pit, _rtc, _keyboard, .. display, Power, Reset, Serial, _firmware, _events, GenerationId, Identity])
        {
            roster.Add(unit);
        }

        if (_hpet is not null)
        {
            roster.Add(_hpet);
        }

        if (_testDevice is not null)
        {
            roster.Add(_testDevice);
        }
    }

    private void Map(AddressSpace memory, PortSpace ports)
    {
        memory.MapDevice(PcMemoryMap.IoApicStart, 0x1000, IoApic);
        ports.Map(0x20, 2, Pic.Master);
        ports.Map(0xA0, 2, Pic.Slave);
        ports.Map(0x4D0, 2, Pic.EdgeLevel);
        ports.Map(0x40, 4, _pit);
        ports.Map(0x61, 1, _pit.Speaker);
        ports.Map(0x70, 2, _rtc);
        ports.Map(0x60, 1, _keyboard);
        ports.Map(0x64, 1, _keyboard.Status);
        if (_crtc is not null)
        {
            ports.Map(PcMemoryMap.CrtcPort, 2, _crtc);
        }

        if (Firmware is null)
        {
            ports.Map(PcMemoryMap.AcpiPowerPort, AcpiPower.PortCount, Power); // otherwise firmware says where
        }

        ports.Map(PcMemoryMap.AcpiEventsPort, GeneralPurposeEvents.PortCount, _events);
        memory.MapDevice(PcMemoryMap.GenerationIdStart, VmGenerationId.RegionSize, GenerationId);
        memory.MapDevice(PcMemoryMap.IdentityStart, IdentityRegister.RegionSize, Identity);
        ports.Map(PcMemoryMap.DebugExitPort, 4, new DebugExit(_wiring.Control));
        ports.Map(PcMemoryMap.SerialPort, 8, Serial);
        ports.Map(PcMemoryMap.FirmwarePort, FwCfg.PortCount, _firmware);
        if (_hpet is not null)
        {
            memory.MapDevice(PcMemoryMap.HpetStart, Hpet.RegionSize, _hpet);
        }

        if (_wiring.Options.HasTestDevices)
        {
            _testDevice = new UnitTestDevice(Interrupts);
            ports.Map(PcMemoryMap.TestScratchPort, 4, _testDevice.Scratch);
            memory.MapDevice(PcMemoryMap.TestMemoryStart, UnitTestDevice.MemorySize, _testDevice.Memory);
            ports.Map(PcMemoryMap.TestLinePort, UnitTestDevice.LineCount, _testDevice.Lines);
        }
    }

    /// <summary>Puts a switch into the wires of the old timers, which this one can take over.</summary>
    private Hpet CreateHpet(ref InterruptLine intervalTimer, ref InterruptLine realTimeClock)
    {
        LegacyInterruptSwitch first = new(intervalTimer);
        LegacyInterruptSwitch second = new(realTimeClock);
        (intervalTimer, realTimeClock) = (first.Original, second.Original);
        return new Hpet(_wiring.Clock, new HpetWiring
        {
            IntervalTimer = first,
            RealTimeClock = second,
            Routes = Enumerable.Range(PcMemoryMap.HpetPin, PcMemoryMap.HpetPins).ToDictionary(pin => pin, Interrupts.Line),
        });
    }

    private FwCfg CreateFirmwareConfiguration()
    {
        PcBoardOptions options = _wiring.Options;
        FwCfg firmware = new(_wiring.Memory);
        firmware.Add(FwCfg.KeyRamSize, BitConverter.GetBytes(options.MemorySize));
        firmware.Add(FwCfg.KeyProcessors, (ushort)options.Processors);
        firmware.Add(FwCfg.KeyMaxProcessors, (ushort)options.Processors);
        return firmware;
    }
}
