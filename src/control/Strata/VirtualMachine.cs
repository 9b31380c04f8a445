using Strata.Core.Storage;
using Strata.Disks;
using Strata.Machines.Boards;
using Strata.Machines.Boot;
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
public sealed class VirtualMachine : IAsyncDisposable
{
    private readonly PcBoard _board;

    private VirtualMachine(PcBoard board, GuestConsole console)
    {
        _board = board;
        Console = console;
    }

    public GuestConsole Console { get; }

    /// <summary>
    /// Guest instructions that all processors have executed one by one so far; approximate while running. Translated code does
    /// not count: on the translator these are the instructions that it left to the interpreter.
    /// </summary>
    public long InstructionsExecuted => _board.InstructionsExecuted;

    /// <summary>What the engines have done, as lines for people; approximate while running.</summary>
    public string DescribeCounters() => _board.DescribeCounters();

    /// <summary>Loads the images and starts the processors.</summary>
    /// <exception cref="StrataException">An image cannot be read or booted, or the host lacks the memory.</exception>
    public static async Task<VirtualMachine> StartAsync(MachineSpec spec, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (spec.Processors is < 1 or > 64)
        {
            throw new StrataException(StrataError.BadInput, $"A machine has 1 to 64 processors, not {spec.Processors}.");
        }

        if (spec.Memory < 8UL << 20 || spec.Memory % (1 << 20) != 0)
        {
            throw new StrataException(StrataError.BadInput, $"Memory must be a whole number of MiB and at least 8 MiB, not {spec.Memory:N0} bytes.");
        }

        if (spec.Memory > PcBoardOptions.LargestMemory)
        {
            throw new StrataException(StrataError.BadInput, $"Memory can be at most {PcBoardOptions.LargestMemory >> 30} GiB, not {spec.Memory >> 30:N0} GiB; give the machine less.");
        }

        byte[] kernel = await ReadAsync(spec.Kernel, "kernel", cancellationToken).ConfigureAwait(false);
        byte[]? initrd = spec.Initrd is null ? null : await ReadAsync(spec.Initrd, "initrd", cancellationToken).ConfigureAwait(false);
        GuestConsole console = new(spec.ConsoleOutput, spec.Console);
        PcBoard board = CreateBoard(spec, kernel, initrd, console);
        console.Attach(board);
        board.Start();
        return new VirtualMachine(board, console);
    }

    /// <summary>Waits for the machine's end.</summary>
    public async Task<MachineExit> WaitForExitAsync(CancellationToken cancellationToken = default)
    {
        MachineExit exit = await _board.Exit.WaitAsync(cancellationToken).ConfigureAwait(false);
        return exit.Reason == MachineExitReason.Reset && Console.FindPanic() is { } panic
            ? exit with { Reason = MachineExitReason.Panic, Details = $"The guest's kernel panicked: {panic}" }
            : exit;
    }

    /// <summary>Presses the power button; an operating system that listens shuts down.</summary>
    public void PressPowerButton() => _board.PressPowerButton();

    /// <summary>Stops the machine at once and waits until its processors stand still.</summary>
    public async Task StopAsync()
    {
        _board.Stop();
        await _board.Exit.ConfigureAwait(false);
    }

    public ValueTask DisposeAsync()
    {
        _board.Dispose();
        return ValueTask.CompletedTask;
    }

    private static PcBoard CreateBoard(MachineSpec spec, byte[] kernel, byte[]? initrd, GuestConsole console)
    {
        List<IBlockBackend> disks = [];
        try
        {
            if (spec.ScratchDisk is { } scratch)
            {
                disks.Add(ScratchDisk.Over(OpenDisk(scratch, readOnly: true)));
            }

            disks.AddRange(spec.Disks.Select(path => OpenDisk(path)));
            return new PcBoard(new PcBoardOptions
            {
                MemorySize = spec.Memory,
                Processors = spec.Processors,
                Serial = spec.Console == ConsoleDevice.Serial ? console : new SerialTap(spec.SerialOutput),
                Console = spec.Console == ConsoleDevice.Virtio ? console : null,
                StartTime = DateTime.UtcNow,
                Kernel = kernel,
                Initrd = initrd,
                CommandLine = spec.CommandLine,
                Engine = ChooseEngine(spec.Engine),
                Translation = new TranslatorOptions
                {
                    Trace = spec.TranslationTrace is { } output ? new TranslationTrace(output) : null,
                    PerfMap = spec.WritePerfMap ? new PerfMap() : null,
                },
                Disks = disks,
            });
        }
        catch (Exception error) when (error is BootImageException or IOException or InsufficientMemoryException)
        {
            disks.ForEach(disk => disk.Dispose());
            throw new StrataException(error is InsufficientMemoryException ? StrataError.Host : StrataError.BadInput, error.Message, error);
        }
    }

    private static RawDisk OpenDisk(string path, bool readOnly = false)
    {
        try
        {
            return RawDisk.Open(path, readOnly);
        }
        catch (ArgumentException error)
        {
            throw new IOException($"The disk path \"{path}\" can name no file; give the path of an image.", error);
        }
    }

    private static EngineKind ChooseEngine(Engine engine)
    {
        if (engine == Engine.Translator && !Translator.IsSupported)
        {
            throw new StrataException(StrataError.Host, "The translator needs an x64 Linux host; use the interpreter here.");
        }

        return engine != Engine.Interpreter && Translator.IsSupported ? EngineKind.Translator : EngineKind.Interpreter;
    }

    private static async Task<byte[]> ReadAsync(string path, string what, CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StrataException(StrataError.BadInput, $"The {what} {path} cannot be read: {error.Message} Check the path.", error);
        }
    }
}
