using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.Memory;
using Strata.Core.Posix;
using Strata.Core.Sharing;
using Strata.Core.Time;
using Strata.Devices.Firmware;
using Strata.Devices.Input;
using Strata.Devices.Interrupts;
using Strata.Devices.Pci;
using Strata.Devices.Power;
using Strata.Devices.Serial;
using Strata.Devices.Testing;
using Strata.Devices.Timers;
using Strata.Machines.Acpi;
using Strata.Machines.Boot;
using Strata.Virtio;
using Strata.Virtio.Balloon;
using Strata.Virtio.Block;
using Strata.Virtio.Console;
using Strata.Virtio.Entropy;
using Strata.Virtio.FileSystem;
using Strata.Virtio.Network;
using Strata.Virtio.Transport;
using Strata.Virtio.Vsock;
using Strata.X86.Apic;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Kvm;
using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.Machines.Boards;

/// <summary>
/// A PC: RAM, processors, interrupt controllers, timers, serial port, ACPI. Built and started once; a reset by the guest ends it.
/// Public members are safe on any thread.
/// </summary>
public sealed partial class PcBoard : IMachineControl, IDisposable
{
    private const ulong Megabyte = 1 << 20;
    private const ulong SmallestMemory = 8 * Megabyte;

    /// <summary>Guests are told when they stood still for longer. Linux's watchdogs wait for ten seconds and more.</summary>
    internal static readonly TimeSpan StandstillLimit = TimeSpan.FromSeconds(2);

    private readonly PcBoardOptions _options;
    private readonly GuestMemory _ram;
    private readonly IVirtualClock _clock;
    private readonly WallClock _wall;
    private readonly ApicBus _apicBus = new();
    private readonly List<VcpuThread> _vcpus = [];
    private readonly List<LocalApic> _apics = [];
    private readonly List<VirtioDevice> _virtio = [];
    private readonly List<VirtioNetwork> _networks = [];
    private readonly TaskCompletionSource<MachineExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly AcpiPower _power;
    private readonly IoApic _ioApic;
    private PciBus? _pci;
    private readonly Uart16550 _uart;
    private VirtioConsole? _console;
    private BoardEngines? _engines;
    private bool _disposed;

    /// <exception cref="BootImageException">The kernel or initrd cannot be booted on a machine like this.</exception>
    /// <exception cref="KvmUnavailableException">The engine is KVM, and the host has none that can run this machine.</exception>
    public PcBoard(PcBoardOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.MemorySize is < SmallestMemory or > PcBoardOptions.LargestMemory || options.MemorySize % Megabyte != 0)
        {
            throw new ArgumentException(
                $"Memory must be a whole number of MiB, {SmallestMemory / Megabyte} to {PcBoardOptions.LargestMemory / Megabyte}; {options.MemorySize:N0} bytes is not.", nameof(options));
        }

        _options = options;
        _ram = new GuestMemory(options.MemorySize); // what a host is most likely to refuse comes before there is anything to dispose of
        try
        {
            _clock = options.Deterministic is { } deterministic ? deterministic.Clock : new RealTimeClock(StandstillLimit, OnStandstill);
            _wall = new WallClock(_clock, options.StartTime);
            MapRam(Memory, _ram);
            Pic8259 pic = new(OnPicOutput);
            _ioApic = new IoApic(_apicBus);
            _apicBus.EoiSink = _ioApic;
            Interrupts = new IsaInterrupts(pic, _ioApic);
            Memory.MapDevice(PcMemoryMap.IoApicStart, 0x1000, _ioApic);
            _power = new AcpiPower(this, _clock, Interrupts.Line(PcMemoryMap.SciPin));
            _uart = new Uart16550(options.Serial, Interrupts.Line(PcMemoryMap.SerialPin)) { HoldsEarlyInput = true };
            MapPorts(pic);
            AddPciDevices();
            CreateProcessors(pic);
            LoadGuest();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public AddressSpace Memory { get; } = new();

    public PortSpace Ports { get; } = new();

    /// <summary>Interrupt wiring, for devices that a caller adds before <see cref="Start"/>.</summary>
    public IsaInterrupts Interrupts { get; }

    /// <summary>Sockets between host and guest; null for a machine without them.</summary>
    public VirtioVsock? Sockets { get; private set; }

    /// <summary>The memory balloon; null for a machine without one.</summary>
    public VirtioBalloon? Balloon { get; private set; }

    public IVirtualClock Clock => _clock;

    /// <summary>The processors' engines, for whoever runs a deterministic machine; of others, for tools.</summary>
    public IReadOnlyList<IX86Engine> Engines => [.. _vcpus.Select(vcpu => vcpu.Engine)];

    /// <summary>The machine's RAM.</summary>
    public GuestMemory Ram => _ram;

    /// <summary>Completes when the machine has stopped.</summary>
    public Task<MachineExit> Exit => _exit.Task;

    /// <summary>Guest instructions executed by all processors so far; approximate while running.</summary>
    public long InstructionsExecuted => _vcpus.Sum(vcpu => vcpu.InstructionsExecuted);

    /// <summary>Counters of each processor's engine, as lines for people.</summary>
    public string DescribeCounters() => string.Join('\n', _vcpus.Select(vcpu => $"vCPU {vcpu.Engine.Index}: {vcpu.Engine.DescribeCounters()}"));

    /// <summary>Starts time and processors. Not for a deterministic machine: its owner runs <see cref="Engines"/> and advances the clock.</summary>
    public void Start()
    {
        if (_clock is not RealTimeClock clock)
        {
            throw new InvalidOperationException("A deterministic machine is run step by step by its owner.");
        }

        lock (_engineGate)
        {
            clock.Start();
            _vcpus.ForEach(vcpu => vcpu.Start());
        }
    }

    /// <summary>Puts RAM where this board has it: below 3 GiB, and from 4 GiB on.</summary>
    public static void MapRam(AddressSpace space, GuestMemory ram)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(ram);
        ulong low = Math.Min(ram.Size, PcMemoryMap.LowMemoryLimit);
        space.MapRam(0, ram, 0, low);
        if (ram.Size > low)
        {
            space.MapRam(PcMemoryMap.HighMemoryStart, ram, low, ram.Size - low);
        }
    }

    /// <summary>Bytes for the guest's first serial port.</summary>
    /// <returns>How many were taken; the rest has to be offered again.</returns>
    public int WriteSerial(ReadOnlySpan<byte> bytes) => _uart.Receive(bytes);

    /// <summary>Bytes for the guest's virtio console, where there is one.</summary>
    /// <returns>How many were taken; the rest has to be offered again.</returns>
    public int WriteConsole(ReadOnlySpan<byte> bytes) => _console?.Receive(bytes) ?? bytes.Length;

    /// <summary>Whether a network card's cable is plugged in; cards count from 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such card.</exception>
    public bool IsNetworkLinkUp(int card) => Card(card).IsLinkUp;

    /// <summary>Plugs a network card's cable in or out; the guest is told.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such card.</exception>
    public void SetNetworkLink(int card, bool up) => Card(card).IsLinkUp = up;

    /// <summary>Presses the power button.</summary>
    public void PressPowerButton() => _power.PressPowerButton();

    /// <summary>Ends the run at once, as pulling the plug does.</summary>
    public void Stop() => End(new MachineExit(MachineExitReason.Stopped, 0, "The machine was stopped by the host."));

    void IMachineControl.RequestPowerOff() => End(new MachineExit(MachineExitReason.PowerOff, 0, "The guest powered off."));

    void IMachineControl.RequestReset(string reason) =>
        End(new MachineExit(MachineExitReason.Reset, 0, $"The guest asked for a reset ({reason})."));

    void IMachineControl.RequestExit(int code) =>
        End(new MachineExit(MachineExitReason.DebugExit, code, $"The guest ended the run through the debug-exit port with code {code}."));

    internal void OnTripleFault(IX86Engine engine)
    {
        X86Cpu cpu = engine.Cpu;
        End(new MachineExit(
            MachineExitReason.TripleFault,
            0,
            $"Triple fault on processor {engine.Index} at RIP 0x{cpu.State.Rip:x}; last exception: {cpu.LastException}."));
    }

    internal void OnError(IX86Engine engine, Exception error) =>
        End(new MachineExit(MachineExitReason.Error, 0, $"Processor {engine.Index} failed at RIP 0x{engine.Cpu.State.Rip:x}: {error}"));

    /// <summary>Stops the machine and frees what it holds. More than once is harmless.</summary>
    /// <exception cref="IOException">A disk could not be flushed; everything was freed nevertheless.</exception>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        // Timers and devices interrupt processors: their threads end before the processors' memory goes.
        Stop();
        List<Exception> failures = []; // one disk that cannot be flushed must not keep others from it
        lock (_engineGate)
        {
            _vcpus.ForEach(vcpu => vcpu.Join());
            (_clock as IDisposable)?.Dispose(); // nobody kicks a processor from here on
            foreach (VirtioDevice device in _virtio)
            {
                try
                {
                    device.Dispose();
                }
                catch (IOException error)
                {
                    failures.Add(error);
                }
            }

            _apics.ForEach(apic => apic.Dispose());
            _vcpus.ForEach(vcpu => vcpu.Dispose());
            _engines?.Dispose();
        }

        _ram.Dispose();
        if (failures.Count != 0)
        {
            throw new IOException(string.Join(" ", failures.Select(failure => failure.Message)), failures[0]);
        }
    }

    private void End(MachineExit exit)
    {
        if (!_exit.TrySetResult(exit))
        {
            return;
        }

        foreach (VcpuThread vcpu in _vcpus)
        {
            vcpu.RequestStop();
        }

        Sockets?.Close();
    }

    private VirtioNetwork Card(int card) => card >= 0 && card < _networks.Count
        ? _networks[card]
        : throw new ArgumentOutOfRangeException(nameof(card), card, $"The machine has {_networks.Count} network cards, counted from 0.");

    private void OnPicOutput(bool high)
    {
        if (high && _apics.Count > 0)
        {
            _apics[0].NotifyExternal();
        }
    }

    private void MapPorts(Pic8259 pic)
    {
        Ports.Map(0x20, 2, pic.Master);
        Ports.Map(0xA0, 2, pic.Slave);
        Ports.Map(0x4D0, 2, pic.EdgeLevel);
        Pit8254 pit = new(_clock, Interrupts.Line(0));
        Ports.Map(0x40, 4, pit);
        Ports.Map(0x61, 1, pit.Speaker);
        Ports.Map(0x70, 2, new RtcMc146818(_clock, _wall, Interrupts.Line(PcMemoryMap.RtcPin)));
        Ps2Controller8042 keyboard = new(this, Interrupts.Line(PcMemoryMap.KeyboardPin));
        Ports.Map(0x60, 1, keyboard);
        Ports.Map(0x64, 1, keyboard.Status);
        Ports.Map(PcMemoryMap.AcpiPowerPort, AcpiPower.PortCount, _power);
        Ports.Map(PcMemoryMap.DebugExitPort, 4, new DebugExit(this));
        Ports.Map(PcMemoryMap.SerialPort, 8, _uart);
        Ports.Map(PcMemoryMap.FirmwarePort, FwCfg.PortCount, CreateFirmwareConfiguration());
        UnitTestDevice testDevice = new(Interrupts);
        Ports.Map(PcMemoryMap.TestScratchPort, 4, testDevice.Scratch);
        Memory.MapDevice(PcMemoryMap.TestMemoryStart, UnitTestDevice.MemorySize, testDevice.Memory);
        Ports.Map(PcMemoryMap.TestLinePort, UnitTestDevice.LineCount, testDevice.Lines);
    }

    private FwCfg CreateFirmwareConfiguration()
    {
        FwCfg firmware = new(Memory);
        firmware.Add(FwCfg.KeyRamSize, BitConverter.GetBytes(_options.MemorySize));
        firmware.Add(FwCfg.KeyProcessors, (ushort)_options.Processors);
        firmware.Add(FwCfg.KeyMaxProcessors, (ushort)_options.Processors);
        return firmware;
    }

    /// <summary>Slot 1 is the entropy source; the console, disks and shares follow.</summary>
    private void AddPciDevices()
    {
        _pci = new PciBus(Memory, _apicBus, link => Interrupts.Line(PcMemoryMap.PciPin + link));
        Ports.Map(PcMemoryMap.PciConfigPort, PciBus.PortCount, new PciConfigPorts(_pci, new ResetControl(this)));
        Plug(new VirtioEntropy(Memory, _options.Deterministic is { } deterministic ? deterministic.Fill : null));
        if (_options.Console is { } console)
        {
            _console = new VirtioConsole(Memory, console.Write);
            Plug(_console);
        }

        int queues = Math.Min(_options.Processors, VirtioDevice.MostParallelQueues);
        for (int i = 0; i < _options.Disks.Count; i++)
        {
            Plug(new VirtioBlock(Memory, _options.Disks[i], $"strata-disk{i}", queues));
        }

        foreach (NetworkCardOptions options in _options.Networks)
        {
            VirtioNetwork card = new(Memory, options.Backend, options.MacAddress.Span, options.Mtu, queues);
            _networks.Add(card);
            Plug(card);
        }

        foreach ((string tag, IFileShare share, TimeSpan validity) in _options.Shares)
        {
            Plug(new VirtioFileSystem(Memory, share, tag, validity));
        }

        if (_options.HasSockets)
        {
            Sockets = new VirtioVsock(Memory);
            Plug(Sockets);
        }

        if (_options.HasBalloon)
        {
            Balloon = new VirtioBalloon(Memory);
            Plug(Balloon);
        }
    }

    /// <summary>Puts a device into the next slot; it is the board's from here on.</summary>
    private void Plug(VirtioDevice device)
    {
        _virtio.Add(device);
        device.IsSynchronous = _options.Deterministic != null;
        _pci!.Plug(_virtio.Count, new VirtioPci(device));
    }

    /// <summary>Steal time needs a host that tells it; a deterministic machine has none, but the guest may ask.</summary>
    private ParavirtFeatures ParavirtualFeatures => !_options.Paravirtual ? ParavirtFeatures.None
        : _options.Deterministic != null || RunDelay.IsAvailable ? ParavirtFeatures.All
        : ParavirtFeatures.All & ~ParavirtFeatures.StealTime;

    /// <summary>The host did not run this process, or not its clock's thread.</summary>
    private void OnStandstill() => _vcpus.ForEach(vcpu => vcpu.Cpu.PostStoodStill());

    private void CreateProcessors(IPicAcknowledge pic)
    {
        HaltGate.Crew crew = new();
        _engines = new BoardEngines(Memory, _options, new CpuidPolicy { ProcessorCount = _options.Processors, Paravirtual = ParavirtualFeatures });
        _engine = _options.Engine;
        CpuidPolicy policy = _engines.Policy;
        for (int i = 0; i < _options.Processors; i++)
        {
            VcpuThread? thread = null;
            LocalApic apic = new((uint)i, _clock, _apicBus, policy, i == 0 ? pic : null, () => thread!.Cpu.ReadTsc());
            _apics.Add(apic);
            thread = CreateProcessor(
                new X86CpuWiring
                {
                    Index = i,
                    Memory = Memory,
                    Ports = Ports,
                    Clock = _clock,
                    LocalApic = apic,
                    Cpuid = policy,
                    Wall = _wall,
                    LookForStandstill = _clock is RealTimeClock clock ? clock.LookForGap : null,
                    Random = _options.Deterministic is { } deterministic ? deterministic.NextRandom : X86CpuWiring.HostRandom,
                },
                crew);
            _vcpus.Add(thread);
            apic.Connect(thread);
        }
    }

    private VcpuThread CreateProcessor(X86CpuWiring wiring, HaltGate.Crew crew)
    {
        X86Cpu? cpu = null;
        IX86Engine? engine = null;
        try
        {
            if (_options.Deterministic is { CreateEngine: { } create })
            {
                engine = create(wiring);
                cpu = engine.Cpu;
            }
            else
            {
                cpu = new X86Cpu(wiring);
                engine = _engines!.Create(_engine, cpu);
            }

            return new VcpuThread(this, cpu, engine, crew);
        }
        catch
        {
            engine?.Dispose();
            cpu?.Dispose();
            throw;
        }
    }

    private void LoadGuest()
    {
        byte[] tables = AcpiTables.Build(PcMemoryMap.AcpiStart, _options.Processors);
        if (!Memory.TryWriteBytes(PcMemoryMap.AcpiStart, tables))
        {
            throw new InvalidOperationException("The ACPI tables lie outside of RAM.");
        }

        BootRequest request = new()
        {
            Memory = Memory,
            LowMemory = Math.Min(_options.MemorySize, PcMemoryMap.LowMemoryLimit),
            MemoryMap = BuildMemoryMap(_options.MemorySize),
            Rsdp = PcMemoryMap.AcpiStart,
            Kernel = _options.Kernel,
            Initrd = _options.Initrd,
            CommandLine = _options.CommandLine,
        };
        BootEntry entry = BootLoader.Load(request);
        _vcpus[0].Cpu.SetState(BootState.Create(Memory, entry));
        for (int i = 1; i < _vcpus.Count; i++)
        {
            X86CpuState waiting = X86CpuState.AtReset();
            waiting.Activity = ActivityState.WaitForStartup;
            _vcpus[i].Cpu.SetState(waiting);
        }

        _vcpus.ForEach(vcpu => vcpu.Cpu.State.TscOffset = _engines!.TscOrigin);
    }

    private static List<MemoryMapEntry> BuildMemoryMap(ulong size)
    {
        ulong low = Math.Min(size, PcMemoryMap.LowMemoryLimit);
        List<MemoryMapEntry> map =
        [
            new(0, PcMemoryMap.VgaStart, 1),
            new(PcMemoryMap.AcpiStart, PcMemoryMap.OneMegabyte - PcMemoryMap.AcpiStart, 2),
            new(PcMemoryMap.OneMegabyte, low - PcMemoryMap.OneMegabyte, 1),
        ];
        if (size > low)
        {
            map.Add(new MemoryMapEntry(PcMemoryMap.HighMemoryStart, size - low, 1));
        }

        return map;
    }
}
