using Strata.Control;
using Strata.Snapshots;

namespace Strata;

/// <summary>
/// What can be asked of a machine that runs, be it one of this process (<see cref="VirtualMachine"/>) or of another one
/// (<see cref="RunningMachine"/>). Members are safe on any thread; each throws a <see cref="StrataException"/> where the machine cannot do
/// it or has gone.
/// </summary>
public interface IMachine
{
    /// <summary>What others call the machine; empty for one that nobody calls.</summary>
    string Name { get; }

    /// <summary>Runs programs in the guest and copies files, where an agent runs in it.</summary>
    GuestAgent Agent { get; }

    /// <summary>Which machine it is and how it does.</summary>
    Task<MachineDescription> DescribeAsync(CancellationToken cancellationToken = default);

    /// <summary>What was started: with the files of its image, and paths that hold in every folder.</summary>
    Task<MachineSpec> GetSpecAsync(CancellationToken cancellationToken = default);

    /// <summary>Which engine runs the machine, and why.</summary>
    Task<EngineReport> ExplainEngineAsync(CancellationToken cancellationToken = default);

    /// <summary>Processors, interrupts and devices in detail.</summary>
    Task<MachineInspection> InspectAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Moves the running machine to another engine at an instruction boundary; <see cref="Engine.Auto"/> for the fastest here. The guest
    /// notices nothing but the time it takes. It stays on the old one if the host cannot run it on the new one.
    /// </summary>
    Task<EngineSwitch> SwitchEngineAsync(Engine engine, CancellationToken cancellationToken = default);

    /// <summary>Saves the machine while it goes on, under its name: memory, devices, disks.</summary>
    Task<SnapshotReport> CreateSnapshotAsync(SnapshotRequest request, CancellationToken cancellationToken = default);

    /// <summary>Saves the machine and ends it: <see cref="VirtualMachine.RestoreAsync"/> lets it go on.</summary>
    Task<SnapshotReport> SuspendAsync(SnapshotRequest request, CancellationToken cancellationToken = default);

    /// <summary>Takes the machine back to one of its snapshots. Consoles and forwarded ports stay; open connections end.</summary>
    /// <returns>How long it stood still.</returns>
    Task<TimeSpan> RollBackAsync(string name, CancellationToken cancellationToken = default);

    /// <summary>A moment of the machine, which goes on, for clones to begin at: <see cref="VirtualMachine.CloneAsync"/>.</summary>
    Task<ForkPoint> CreateForkPointAsync(CancellationToken cancellationToken = default);

    /// <summary>Presses the power button; an operating system that listens shuts down.</summary>
    Task PressPowerButtonAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Presses the reset button: processors, devices and the guest begin anew, memory and disks stay what they are. Returns when it has
    /// been pressed. With <see cref="ResetPolicy.Exit"/> it ends the machine, as the guest's own reset does.
    /// </summary>
    Task ResetAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Wakes a guest that sleeps, as its power button does, and waits until it is awake; does nothing for one that is.
    /// <see cref="RequestShutDownAsync"/> does it too, and <see cref="ConnectAsync"/> refuses a guest that sleeps.
    /// </summary>
    Task WakeAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Asks the guest to shut down: by the power button, or through the agent where the image is known not to listen to it. Returns when it
    /// has been asked; <see cref="WaitForExitAsync"/> waits for the end.
    /// </summary>
    Task RequestShutDownAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Stops the machine at once, as pulling the plug does. Its disks may still be open when this returns:
    /// <see cref="WaitForReleaseAsync"/>.
    /// </summary>
    Task StopAsync(CancellationToken cancellationToken = default);

    /// <summary>Waits for the machine's end.</summary>
    /// <returns>Null if its process went away without telling how.</returns>
    Task<MachineExit?> WaitForExitAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Waits until whoever runs the machine has disposed of it, which follows its end: its disks are closed, and its name is free. Ask
    /// before the machine is stopped, and wait for it then; of a machine that has gone already there is nothing to wait for.
    /// </summary>
    Task WaitForReleaseAsync(CancellationToken cancellationToken = default);

    /// <summary>Connects to a port that a program in the guest listens on (AF_VSOCK); waits until the guest's driver is loaded.</summary>
    /// <exception cref="IOException">Nothing listens there, or the machine has ended.</exception>
    Task<Stream> ConnectAsync(uint port, CancellationToken cancellationToken = default);

    /// <summary>What the machine's screen shows in a text mode, line by line.</summary>
    /// <returns>Null where there is no text.</returns>
    /// <exception cref="StrataException">The machine has no screen.</exception>
    Task<string?> ReadScreenAsync(CancellationToken cancellationToken = default);

    /// <summary>What the machine's screen shows, as a PNG file.</summary>
    /// <exception cref="StrataException">The machine has no screen.</exception>
    Task<byte[]> CaptureScreenAsync(CancellationToken cancellationToken = default);

    /// <summary>Types a text on the machine's keyboard. A line feed is Enter.</summary>
    /// <exception cref="StrataException">The machine has no screen to type at, or no key writes a character.</exception>
    Task TypeAsync(string text, CancellationToken cancellationToken = default);

    /// <summary>Presses keys together and releases them, such as "ctrl-alt-f2".</summary>
    /// <exception cref="StrataException">The machine has no screen to type at, or there is no such key.</exception>
    Task PressKeysAsync(string keys, CancellationToken cancellationToken = default);

    /// <summary>Drives whose media can be changed: CD drives, then floppy drives.</summary>
    Task<IReadOnlyList<RemovableDrive>> ListDrivesAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Changes a drive's medium; the guest is told. Where it keeps the old one in, it is asked to let go, and has ten seconds for that.
    /// </summary>
    /// <exception cref="StrataException">There is no such drive or image, or the guest keeps the medium in.</exception>
    Task ChangeMediumAsync(MediumChange change, CancellationToken cancellationToken = default);

    /// <summary>
    /// Goes to the machine's console: reading gives the last of what it printed and what it prints from now on, to the machine's end; what
    /// is written is typed. Others may be there as well, and the machine goes on when the stream is closed.
    /// </summary>
    Task<Stream> OpenConsoleAsync(CancellationToken cancellationToken = default);
}
