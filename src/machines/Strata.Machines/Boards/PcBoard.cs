using Strata.Core.Bus;
using Strata.Core.Display;
using Strata.Core.Execution;
using Strata.Core.Input;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Devices.Display;
using Strata.Devices.Input;
using Strata.Devices.Interrupts;
using Strata.Devices.Power;
using Strata.Devices.Storage;
using Strata.Machines.Boot;
using Strata.Machines.Engines;
using Strata.Virtio.Balloon;
using Strata.Virtio.Vsock;
using Strata.X86.Apic;
using Strata.X86.Execution;

namespace Strata.Machines.Boards;

/// <summary>
/// A PC: RAM and buses, and on them a chipset, processors and PCI devices; what of these has state is on a roster. Built and started
/// once; a reset by the guest begins anew with what is there. Public members are safe on any thread.
/// </summary>
public sealed partial class PcBoard : IMachineControl, IDisposable
{
    private const ulong Megabyte = 1 << 20;
    private const ulong SmallestMemory = 8 * Megabyte;

    private readonly GuestMemory _ram;
    private readonly IVirtualClock _clock;
    private readonly UnitRoster _roster = new();
    private readonly TaskCompletionSource<MachineExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly BoardWiring _wiring;
    private readonly GuestLoader _loader;
    private readonly PcFirmware? _firmware;
    private readonly PcChipset _chipset;
    private readonly PcDevices? _devices;
    private readonly PcProcessors? _processors;
    private readonly IKeyboard _keyboard;
    private bool _disposed;

    /// <exception cref="BootImageException">The kernel or initrd cannot be booted on a machine like this.</exception>
    /// <exception cref="EngineUnavailableException">The host does not have the engine, or it cannot run this machine.</exception>
    public PcBoard(PcBoardOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.MemorySize is < SmallestMemory or > PcBoardOptions.LargestMemory || options.MemorySize % Megabyte != 0)
        {
            throw new ArgumentException(
                $"Memory must be a whole number of MiB, {SmallestMemory / Megabyte} to {PcBoardOptions.LargestMemory / Megabyte}; " +
                $"{options.MemorySize:N0} bytes is not.",
                nameof(options));
        }

        // what a host is most likely to refuse comes before there is anything to dispose of
        _ram = options.CreateMemory(options.MemorySize);
        try
        {
            _clock = options.Deterministic is { } deterministic
                ? deterministic.Clock
                : new RealTimeClock(VcpuThread.StandstillLimit, OnStandstill);
            MapRam(Memory, _ram);
            WallClock wall = new(_clock, options.StartTime, options.WorldTime);
            _wiring = new BoardWiring(options, Memory, Ports, _clock, wall, new ApicBus(), this);
            _loader = new GuestLoader(_wiring);
            _firmware = options.Firmware is { } firmware ? new PcFirmware(_wiring, firmware, _ram) : null;
            _chipset = new PcChipset(_wiring, high => _processors?.OnPicOutput(high), () => _processors?.CurrentAddressSpace, _firmware);
            _devices = new PcDevices(_wiring, _chipset);
            _devices.PlugAll();
            IKeyboard keyboard = _devices.Keyboard is { } usb ? new KeyboardChoice(_chipset.Keyboard, usb, _clock) : _chipset.Keyboard;
            _keyboard = new WakingKeyboard(keyboard, _chipset.Power);
            _chipset.DescribeBootOrder(_devices.Bus);
            _processors = new PcProcessors(this, _wiring);
            _processors.Create(_chipset.Pic);
            Enlist();
            if (_firmware is not null)
            {
                _processors.Enter(null);
            }
            else if (_loader.HasImages && !options.StartsFromMemory)
            {
                _processors.Enter(_loader.Load());
            }
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
    public IsaInterrupts Interrupts => _chipset.Interrupts;

    /// <summary>Sockets between host and guest; null for a machine without them.</summary>
    public VirtioVsock? Sockets => _devices!.Sockets;

    /// <summary>The memory balloon; null for a machine without one.</summary>
    public VirtioBalloon? Balloon => _devices!.Balloon;

    /// <summary>What the machine shows; null for one without a display.</summary>
    public IScreen? Screen => _firmware?.Display;

    /// <summary>The keyboard.</summary>
    public IKeyboard Keyboard => _keyboard;

    /// <summary>The tablet; null for a machine without one.</summary>
    public ITablet? Tablet => _devices!.Tablet;

    /// <summary>The mouse; null for a machine without one.</summary>
    public IPointer? Pointer => _firmware is null ? null : _chipset.Keyboard;

    /// <summary>CD drives, in the order of the options.</summary>
    public IReadOnlyList<IRemovableDrive> OpticalDrives => _devices!.OpticalDrives;

    /// <summary>Floppy drives, in the order of the options.</summary>
    public IReadOnlyList<IRemovableDrive> FloppyDrives => _devices!.FloppyDrives;

    public IVirtualClock Clock => _clock;

    /// <summary>The guest's wall time, which whoever restores a machine steps to the host's.</summary>
    public WallClock Wall => _wiring.Wall;

    /// <summary>The processors' engines, for whoever runs a deterministic machine; of others, for tools.</summary>
    public IReadOnlyList<IX86Engine> Engines => [.. _processors!.All.Select(processor => processor.Engine)];

    /// <summary>The machine's RAM.</summary>
    public GuestMemory Ram => _ram;

    /// <summary>Completes when the machine has stopped.</summary>
    public Task<MachineExit> Exit => _exit.Task;

    /// <summary>Guest instructions executed by all processors so far; approximate while running.</summary>
    public long InstructionsExecuted => _processors!.All.Sum(processor => processor.Thread.InstructionsExecuted);

    /// <summary>Counters of each processor's engine, as lines for people.</summary>
    public string DescribeCounters() =>
        string.Join('\n', _processors!.All.Select(processor => $"vCPU {processor.Engine.Index}: {processor.Engine.DescribeCounters()}"));

    /// <summary>
    /// Starts time and processors. Not for a deterministic machine: its owner runs <see cref="Engines"/> and advances the clock.
    /// </summary>
    public void Start()
    {
        if (_clock is not RealTimeClock clock)
        {
            throw new InvalidOperationException("A deterministic machine is run step by step by its owner.");
        }

        lock (_gate)
        {
            _isStarted = true;
            if (_pauses == 0)
            {
                clock.Start();
                _wiring.Wall.FollowWorld(); // what was read when the machine was built is old by now
            }

            _processors!.Start();
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
    public int WriteSerial(ReadOnlySpan<byte> bytes) => _chipset.Serial.Receive(bytes);

    /// <summary>Bytes for the guest's virtio console, where there is one.</summary>
    /// <returns>How many were taken; the rest has to be offered again.</returns>
    public int WriteConsole(ReadOnlySpan<byte> bytes) => _devices!.Console?.Receive(bytes) ?? bytes.Length;

    /// <summary>Whether a network card's cable is plugged in; cards count from 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such card.</exception>
    public bool IsNetworkLinkUp(int card) => _devices!.Card(card).IsLinkUp;

    /// <summary>Plugs a network card's cable in or out; the guest is told.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such card.</exception>
    public void SetNetworkLink(int card, bool up) => _devices!.Card(card).IsLinkUp = up;

    /// <summary>Whether the guest listens to the power button.</summary>
    public bool IsPowerButtonEnabled => _chipset.Power.IsPowerButtonEnabled;

    /// <summary>Presses the power button.</summary>
    public void PressPowerButton() => _chipset.Power.PressPowerButton();

    /// <summary>Ends the run of a machine that has been saved, while it stands still.</summary>
    public void Suspend() => End(new MachineExit(MachineExitReason.Suspended, 0, "The machine was saved, and suspended."));

    /// <summary>Ends the run at once, as pulling the plug does.</summary>
    public void Stop() => End(new MachineExit(MachineExitReason.Stopped, 0, "The machine was stopped by the host."));

    void IMachineControl.RequestPowerOff() => End(new MachineExit(MachineExitReason.PowerOff, 0, "The guest powered off."));

    void IMachineControl.RequestExit(int code) =>
        End(new MachineExit(MachineExitReason.DebugExit, code, $"The guest ended the run through the debug-exit port with code {code}."));

    internal void OnTripleFault(X86Cpu cpu) => RequestReset(new MachineExit(
        MachineExitReason.TripleFault,
        0,
        $"Triple fault on processor {cpu.Wiring.Index} at RIP 0x{cpu.State.Rip:x}; last exception: {cpu.LastException}."));

    internal void OnError(X86Cpu cpu, Exception error) =>
        End(new MachineExit(MachineExitReason.Error, 0, $"Processor {cpu.Wiring.Index} failed at RIP 0x{cpu.State.Rip:x}: {error}"));

    /// <summary>Stops the machine and frees what it holds. More than once is harmless.</summary>
    /// <exception cref="IOException">A disk could not be flushed, or variables kept; everything was freed nevertheless.</exception>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        // Timers and devices interrupt processors: their threads end before the processors' memory goes.
        Stop();
        IReadOnlyList<IOException> failures;
        lock (_gate)
        {
            _processors?.Join();
            (_clock as IDisposable)?.Dispose(); // nobody kicks a processor from here on
            failures = _devices?.DisposeAll() ?? [];
            _processors?.Dispose();
        }

        failures = [.. failures, .. DisposeFirmware()];
        _ram.Dispose();
        if (failures.Count != 0)
        {
            throw new IOException(string.Join(" ", failures.Select(failure => failure.Message)), failures[0]);
        }
    }

    /// <returns>Why its variables could not be kept.</returns>
    private IReadOnlyList<IOException> DisposeFirmware()
    {
        try
        {
            _firmware?.Dispose();
            return [];
        }
        catch (IOException error)
        {
            return [new IOException($"The firmware's variables could not be kept. {error.Message}", error)];
        }
    }

    private void End(MachineExit exit)
    {
        if (!_exit.TrySetResult(exit))
        {
            return;
        }

        _processors?.RequestStop();
        _devices?.Sockets?.Close();
    }

    /// <summary>The host did not run this process, or not its clock's thread.</summary>
    private void OnStandstill() => _processors?.PostStandstill();

    /// <summary>In the order of loading: time before what measures it, controllers before what interrupts.</summary>
    private void Enlist()
    {
        _roster.Add((IUnit)_clock);
        _roster.Add(_wiring.Wall);
        _roster.Add(_wiring.Apics);
        _processors!.Enlist(_roster);
        _chipset.Enlist(_roster);
        _devices!.Enlist(_roster);
    }
}
