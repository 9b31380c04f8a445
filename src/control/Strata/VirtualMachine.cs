using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Strata.Control;
using Strata.Core.Logging;
using Strata.Core.Memory;
using Strata.Core.Sharing;
using Strata.Core.Sound;
using Strata.Core.Storage;
using Strata.Engines;
using Strata.Images;
using Strata.Machines.Boards;
using Strata.Machines.Boot;
using Strata.Machines.Engines;
using Strata.Networking.Nat;
using Strata.Screens;
using Strata.Sounds;
using Strata.Snapshots;
using Strata.Snapshots.Memory;
using Strata.Virtio.Balloon;
using Strata.Virtio.Vsock;
using Strata.X86.Translator;
using Strata.X86.Translator.Tracing;

namespace Strata;

/// <summary>A running machine. Disposing it stops it as pulling the plug does. Members are safe on any thread.</summary>
/// <example>
/// <code>
/// await using VirtualMachine vm = await VirtualMachine.StartAsync(spec, cancellationToken);
/// await vm.Console.WaitForAsync("login:", cancellationToken);
/// </code>
/// </example>
public sealed partial class VirtualMachine : IAsyncDisposable
{
    /// <summary>Starts of an image that is built anew meanwhile; a build takes longer than a start.</summary>
    private const int MostRetries = 5;

    private readonly PcBoard _board;
    private readonly GuestScreen? _screen;
    private readonly MachineNetworks _networks;
    private readonly BootFiles _boot;
    private readonly MachineLoggers _loggers;
    private readonly List<ControlServer> _servers = []; // under itself
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isDisposed;

    private VirtualMachine(
        MachineSpec spec, MachineAttachments attachments, MachineLoggers loggers, PcBoard board, MachineSaver saver, GuestConsole console,
        MachineNetworks networks, BootFiles boot, EngineChoice choice)
    {
        Spec = spec;
        Attachments = attachments;
        _loggers = loggers;
        _board = board;
        _saver = saver;
        _networks = networks;
        _boot = boot;
        Console = console;
        InitialEngine = choice;
        _screen = board.Screen is { } screen ? new GuestScreen(board, screen, loggers.For(LogAreas.Display)) : null;
    }

    /// <summary>
    /// What was started, with the files of its image, if it has one; and the media that are in its drives now.
    /// </summary>
    public MachineSpec Spec { get; private set; }

    /// <summary>What it is connected to in this process.</summary>
    public MachineAttachments Attachments { get; }

    /// <summary>When it was started (UTC).</summary>
    public DateTime Started { get; } = DateTime.UtcNow;

    public GuestConsole Console { get; }

    /// <summary>Ports of the host that lead into the machine, with the numbers that the host chose for those without one.</summary>
    public IReadOnlyList<ForwardedPort> ForwardedPorts => _networks.ForwardedPorts;

    /// <summary>
    /// Where a forwarded port of a network card listens: of use when the host chose its number. Null if nothing listens for it.
    /// </summary>
    public IPEndPoint? ListenEndPoint(PortForward forward) => ForwardedPorts.FirstOrDefault(port => port.Forward == forward)?.HostEndPoint;

    /// <summary>Why a network card's capture file is incomplete, such as a full disk; null while all is well.</summary>
    public string? CaptureFailure => _networks.CaptureFailure;

    /// <summary>Why the named switch of a network card cannot be reached now; null while all is well.</summary>
    public string? SwitchFailure => _networks.SwitchFailure;

    /// <summary>Whether a network card's cable is plugged in; cards count from 0.</summary>
    public bool IsNetworkLinkUp(int card) => _board.IsNetworkLinkUp(card);

    /// <summary>Plugs a network card's cable in or out; the guest's driver is told.</summary>
    public void SetNetworkLink(int card, bool up) => _board.SetNetworkLink(card, up);

    /// <summary>
    /// Guest instructions that all processors have executed one by one so far; approximate while running. Translated code does
    /// not count: on the translator these are the instructions that it left to the interpreter.
    /// </summary>
    public long InstructionsExecuted => _board.InstructionsExecuted;

    /// <summary>What the engines have done, as lines for people; approximate while running.</summary>
    public string DescribeCounters() => _board.DescribeCounters();

    /// <inheritdoc cref="StartAsync(MachineSpec, MachineAttachments?, CancellationToken)"/>
    public static Task<VirtualMachine> StartAsync(MachineSpec spec, CancellationToken cancellationToken = default) =>
        StartAsync(spec, attachments: null, cancellationToken);

    /// <summary>
    /// Loads the images and starts the processors. An image that is not in the cache is built first, which can take minutes.
    /// </summary>
    /// <param name="attachments">What the machine is connected to in this process; null for nothing.</param>
    /// <exception cref="StrataException">An image cannot be read or booted, or the host lacks the memory.</exception>
    public static async Task<VirtualMachine> StartAsync(
        MachineSpec spec, MachineAttachments? attachments, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        attachments ??= MachineAttachments.None;
        spec.Check();
        spec = await spec.ResolveAsync(progress: null, cancellationToken).ConfigureAwait(false);
        for (int retries = MostRetries; ; retries--)
        {
            ImageBuild? build = ImageBuild.In(spec.ImageFolder);
            bool isWhole = false;
            try
            {
                MachineOrigin origin = new()
                {
                    Boot = spec.HasFirmware
                        ? BootFiles.Later(spec)
                        : await BootFiles.ReadAsync(spec, cancellationToken).ConfigureAwait(false),
                };
                VirtualMachine machine = await OpenAsync(spec, attachments, origin).ConfigureAwait(false);
                isWhole = build == ImageBuild.In(spec.ImageFolder) || retries == 0;
                if (isWhole)
                {
                    await machine.RunAsync().ConfigureAwait(false);
                    return machine;
                }

                LogRebuilt(machine._loggers.For(LogAreas.Machine), spec.ImageFolder ?? string.Empty);
                await machine.DisposeAsync().ConfigureAwait(false);
            }
            catch (StrataException) when (!isWhole && retries > 0 && build != ImageBuild.In(spec.ImageFolder))
            {
                // It was built anew meanwhile, and a file may not have been there for a moment.
            }
        }
    }

    /// <summary>Makes a machine that does not run yet.</summary>
    private static async Task<VirtualMachine> OpenAsync(MachineSpec spec, MachineAttachments attachments, MachineOrigin origin)
    {
        MachineLoggers loggers = new(attachments.Loggers ?? NullLoggerFactory.Instance, TimeProvider.System);
        MachineNetworks? networks = null;
        spec = spec with { Cpu = CpuNames.Find(spec.Cpu).ToString() }; // what "host" stands for here is what snapshots record
        try
        {
            origin = origin with { Firmware = await FirmwareRoms.ReadAsync(spec).ConfigureAwait(false) };
            GuestConsole console = new(attachments.ConsoleOutput, spec.Console);
            EngineChoice choice = await ChooseEngineAsync(spec).ConfigureAwait(false);
            networks = MachineNetworks.Open(spec.Networks, spec.Name, attachments);
            (
                PcBoard board, MachineSaver saver,
                choice) = CreateBoardOrFallBack(spec, attachments, loggers, origin, console, networks, choice);
            LogStart(loggers.For(LogAreas.Engine), choice.Engine, choice.Reason);
            return new VirtualMachine(spec, attachments, loggers, board, saver, console, networks, origin.Boot, choice);
        }
        catch
        {
            networks?.Dispose();
            loggers.Dispose();
            origin.Boot.Dispose();
            throw;
        }
    }

    private async Task RunAsync()
    {
        try
        {
            Console.Attach(_board);
            _board.Start();
        }
        catch
        {
            await DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Waits for the machine's end.</summary>
    /// <exception cref="StrataException">It was to be suspended, and could not be saved.</exception>
    public async Task<MachineExit> WaitForExitAsync(CancellationToken cancellationToken = default)
    {
        MachineExit exit = MachineExit.Of(await _board.Exit.WaitAsync(cancellationToken).ConfigureAwait(false));
        if (exit.Reason == MachineExitReason.Suspended)
        {
            await _suspension.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        return exit.Reason is MachineExitReason.Reset or MachineExitReason.TripleFault && Console.FindPanic() is { } panic
            ? exit with { Reason = MachineExitReason.Panic, Details = $"The guest's kernel panicked: {panic}" }
            : exit;
    }

    /// <summary>Runs programs in the guest and copies files, where an agent runs in it. Needs <see cref="MachineSpec.Sockets"/>.</summary>
    public GuestAgent Agent => new(async (port, token) => await ConnectAsync(port, token).ConfigureAwait(false))
    {
        Log = _loggers.For(LogAreas.Agent),
    };

    /// <summary>Connects to a port that a program in the guest listens on (AF_VSOCK); waits until the guest's driver is loaded.</summary>
    /// <exception cref="VsockException">Nothing listens there, or the machine has ended.</exception>
    /// <exception cref="StrataException">The machine has no sockets, or its guest sleeps: <see cref="WakeAsync"/>.</exception>
    public async Task<VsockStream> ConnectAsync(uint port, CancellationToken cancellationToken = default)
    {
        using CancellationTokenSource given = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<VsockStream> connection = Sockets.ConnectAsync(port, given.Token);
        if (await WakesUntilAsync(connection, cancellationToken).ConfigureAwait(false))
        {
            return await connection.ConfigureAwait(false);
        }

        await given.CancelAsync().ConfigureAwait(false);
        try
        {
            return await connection.ConfigureAwait(false); // it woke in the nick of time
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw Asleep(error);
        }
    }

    /// <summary>Lets programs in the guest connect to a port of the host (AF_VSOCK, CID 2).</summary>
    /// <exception cref="VsockException">The port is taken.</exception>
    /// <exception cref="StrataException">The machine has no sockets.</exception>
    public VsockListener Listen(uint port) => Sockets.Listen(port);

    /// <summary>The memory balloon: how much memory the guest is to give back, and what it says about the rest.</summary>
    /// <exception cref="StrataException">The machine has none.</exception>
    public VirtioBalloon Balloon => _board.Balloon
        ?? throw new StrataException(StrataError.BadInput, "The machine has no memory balloon; start it with MachineSpec.Balloon.");

    /// <summary>
    /// What tells the machine from others that begin where it was saved: the generation ID that its guest can read. A clone has another
    /// one, unless it keeps its identity; going back, and a restored machine that takes its own place, keep it.
    /// </summary>
    public Guid GenerationId => _board.GenerationId;

    /// <summary>Display, keyboard and mouse.</summary>
    /// <exception cref="StrataException">The machine has none: it has no firmware.</exception>
    public GuestScreen Screen => _screen
        ?? throw new StrataException(
            StrataError.BadInput, "The machine has no screen: machines that firmware starts have one, such as `strata run DISK`.");

    /// <summary>How often the guest has reset its machine and been started again.</summary>
    public int Resets => _board.Resets;

    /// <summary>Presses the reset button: processors, devices and the guest begin anew, memory and disks stay what they are.</summary>
    public void Reset() => _board.Reset();

    /// <summary>Presses the power button; an operating system that listens shuts down.</summary>
    public void PressPowerButton() => _board.PressPowerButton();

    /// <summary>Stops the machine at once and waits until its processors stand still.</summary>
    public async Task StopAsync()
    {
        _board.Stop();
        await _board.Exit.ConfigureAwait(false);
    }

    /// <summary>
    /// Ends the machine, and gives back what it holds; a snapshot that is being made is given up. Its control server ends last, and with it
    /// its name: by then the disks are closed.
    /// </summary>
    /// <exception cref="StrataException">What the guest wrote could not be brought to a disk's image.</exception>
    public async ValueTask DisposeAsync()
    {
        _board.Stop();
        await _saver.CloseAsync().ConfigureAwait(false);
        ControlServer[] servers;
        lock (_servers)
        {
            servers = [.. _servers];
        }

        await Task.WhenAll(servers.Select(server => server.EndServiceAsync())).ConfigureAwait(false);
        try
        {
            Release();
        }
        finally
        {
            await Task.WhenAll(servers.Select(server => server.EndAsync())).ConfigureAwait(false);
            _released.TrySetResult();
        }
    }

    /// <summary>A server that ends with the machine.</summary>
    internal void Attach(ControlServer server)
    {
        lock (_servers)
        {
            _servers.Add(server);
        }
    }

    internal void Detach(ControlServer server)
    {
        lock (_servers)
        {
            _servers.Remove(server);
        }
    }

    private void Release()
    {
        if (!Interlocked.Exchange(ref _isDisposed, true))
        {
            LogEnd();
        }

        try
        {
            _board.Dispose();
        }
        catch (IOException error)
        {
            throw new StrataException(StrataError.Host, error.Message, error);
        }
        finally
        {
            _networks.Dispose();
            _boot.Dispose();
            _saver.Dispose();
            _loggers.Dispose();
            _forkPoints.Dispose();
        }
    }

    /// <summary>It has ended, whether those who wait for that have been told yet or not.</summary>
    internal bool HasEnded => _board.Exit.IsCompletedSuccessfully;

    /// <summary>It has ended, and is still to be disposed.</summary>
    internal bool HoldsItsDisks => HasEnded && !_released.Task.IsCompleted;

    private VirtioVsock Sockets => _board.Sockets
        ?? throw new StrataException(StrataError.BadInput, "The machine has no sockets; start it with MachineSpec.Sockets.");

    /// <summary>With <see cref="Engine.Auto"/>, an engine that cannot run this machine gives way to the next.</summary>
    private static (PcBoard Board, MachineSaver Saver, EngineChoice Choice) CreateBoardOrFallBack(
        MachineSpec spec, MachineAttachments attachments, MachineLoggers loggers, MachineOrigin origin, GuestConsole console,
        MachineNetworks networks, EngineChoice choice)
    {
        List<Engine> failed = [];
        while (true)
        {
            try
            {
                (PcBoard board, MachineSaver saver) = CreateBoard(spec, attachments, loggers, origin, console, networks, choice.Engine);
                return (board, saver, choice);
            }
            catch (EngineUnavailableException error) when (spec.Engine == Engine.Auto && choice.Engine != Engine.Interpreter)
            {
                LogFallBack(loggers.For(LogAreas.Engine), choice.Engine, error.Message);
                failed.Add(choice.Engine);
                choice = EngineProbe.ChooseWithout(failed, error.Message);
            }
            catch (EngineUnavailableException error)
            {
                throw new StrataException(StrataError.Host, error.Message, error);
            }
        }
    }

    private static (PcBoard Board, MachineSaver Saver) CreateBoard(
        MachineSpec spec, MachineAttachments attachments, MachineLoggers loggers, MachineOrigin origin, GuestConsole console,
        MachineNetworks networks, Engine engine)
    {
        List<MachineDisk> disks = [];
        List<(string Tag, IFileShare Share, TimeSpan Validity)> shares = [];
        ISoundSink? sound = null;
        PcFirmwareOptions? firmware = null;
        try
        {
            sound = spec.Sound switch
            {
                null => null,
                { Wave: { } wave } => new WaveFile(wave, loggers.For(LogAreas.Machine)),
                _ => new NoSound(),
            };
            disks.AddRange(spec.Disks.Select((disk, index) => origin.OpenDisk(disk, index, loggers.For(LogAreas.Disks))));
            ReportBoot(origin, disks, loggers);
            CheckTags(spec);
            shares.AddRange(spec.Shares.Select(share => (share.Tag, share.Open(), share.Validity)));
            IBlockBackend? disc = spec.CloudInit?.CreateDisc();
            IBlockBackend? driveDisc = spec.HasCloudInitDrive ? disc : null;
            IBlockBackend[] diskDiscs = disc is null || driveDisc is not null ? [] : [disc];
            PcBoardOptions options = new()
            {
                MemorySize = spec.Memory,
                Processors = spec.Processors,
                Serial = spec.Console == ConsoleDevice.Serial ? console : new SerialTap(attachments.SerialOutput),
                Console = spec.Console == ConsoleDevice.Virtio ? console : null,
                GenerationId = Guid.NewGuid(),
                StartTime = DateTime.UtcNow,
                EndsOnReset = _ => EndsOnReset(spec.Reset, console),
                OnReset = reset => attachments.GuestReset?.Invoke(reset.Details),
                WorldTime = () => DateTime.UtcNow,
                Loggers = loggers,
                CreateMemory = size => origin.Memory?.CreateMemory()
                    ?? (EngineNames.Find(engine).NeedsSharedMemory ? GuestMemory.CreateShared(size) : new GuestMemory(size)),
                Kernel = null,
                ReadImages = origin.Boot.Load,
                StartsFromMemory = origin.Memory is not null,
                Firmware = firmware = MachineFirmware.Describe(spec, origin.Firmware, disks, driveDisc),
                OnFirmwareLog = line => LogFirmware(loggers.For(LogAreas.Firmware), line),
                KernelName = spec.Kernel ?? "kernel",
                InitrdName = spec.Initrd ?? "initrd",
                CommandLine = spec.CommandLine ?? MachineSpec.DefaultCommandLine,
                Engine = EngineNames.Find(engine),
                CpuModel = CpuNames.Find(spec.Cpu),
                PortableCpu = spec.PortableCpu,
                Paravirtual = spec.Paravirtual,
                HasTestDevices = spec.TestDevices,
                AcceptsDefectiveKvm = spec.AcceptsDefectiveKvm,
                Translation = new TranslatorOptions
                {
                    Trace = attachments.TranslationTrace is { } output ? new TranslationTrace(output) : null,
                    PerfMap = spec.WritePerfMap ? new PerfMap() : null,
                },
                OpenKeptCode = identity => origin.OpenKeptCode?.Invoke(identity, loggers.For(LogAreas.Machine)),
                Disks = [.. disks.Where(disk => !disk.Spec.Bus.NeedsFirmware()).Select(disk => disk.Backend), .. diskDiscs],
                DiskControllers = [.. spec.Disks.Where(disk => !disk.Bus.NeedsFirmware()).Select(disk => ControllerOf(disk.Bus))],
                Networks = networks.Cards,
                Shares = shares,
                HasSockets = spec.Sockets,
                HasBalloon = spec.Balloon,
                HasHpet = spec.Hpet,
                Sound = sound,
                UsbDevices = [.. spec.Usb.Select(device => device == UsbDevice.Tablet ? UsbDeviceKind.Tablet : UsbDeviceKind.Keyboard)],
                Smbios = spec.Smbios.IsEmpty ? null : spec.Smbios.ToOptions(),
            };
            CheckSlots(options);
            PcBoard board = new(options);
            return (
                board,
                new MachineSaver(board, disks, origin.Memory?.Share() ?? MemoryImage.Zeros(spec.Memory), loggers.For(LogAreas.Machine)));
        }
        catch (Exception error)
        {
            disks.ForEach(disk => disk.Dispose());
            shares.ForEach(share => share.Share.Dispose());
            sound?.Dispose();
            firmware?.VariableStore?.Dispose();
            switch (error)
            {
                case BootImageException or IOException:
                    throw new StrataException(StrataError.BadInput, error.Message, error);
                case InsufficientMemoryException or PlatformNotSupportedException:
                    throw new StrataException(StrataError.Host, error.Message, error);
                default:
                    throw;
            }
        }
    }

    /// <summary>Of a machine that firmware starts now.</summary>
    private static void ReportBoot(MachineOrigin origin, List<MachineDisk> disks, MachineLoggers loggers)
    {
        if (origin is { Firmware: not null, Memory: null })
        {
            foreach (string problem in BootCheck.Find(disks))
            {
                LogBoot(loggers.For(LogAreas.Firmware), problem);
            }
        }
    }

    private static bool EndsOnReset(ResetPolicy policy, GuestConsole console) => policy switch
    {
        ResetPolicy.Exit => true,
        ResetPolicy.Always => false,
        _ => console.FindPanic() is not null,
    };

    private static DiskController ControllerOf(DiskBus bus) => bus switch
    {
        DiskBus.Nvme => DiskController.Nvme,
        DiskBus.Ahci => DiskController.Ahci,
        _ => DiskController.Virtio,
    };

    private static void CheckSlots(PcBoardOptions options)
    {
        if (options.PciDevices > PcBoardOptions.MostPciDevices)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"A machine has room for {PcBoardOptions.MostPciDevices} devices, and this one would have {options.PciDevices}: leave " +
                $"out disks, network cards or shared folders.");
        }
    }

    private static void CheckTags(MachineSpec spec)
    {
        if (spec.Shares.GroupBy(share => share.Tag).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new StrataException(
                StrataError.BadInput, $"Two shared folders have the tag \"{twice.Key}\"; give one of them another: FOLDER:TAG.");
        }
    }
}
