using System.Diagnostics;
using Strata.Control;
using Strata.Engines;
using Strata.Snapshots;

namespace Strata.Cli;

/// <summary>`strata run`: one machine with its console on the terminal.</summary>
internal sealed class RunCommand(RunOptions options) : IDisposable
{
    private readonly GuestOutput _output = new(new StandardStream(StandardStream.Output));
    private readonly GuestOutput _serial = OpenSerial(
        options is { Serial: "stdio", Exec: not null } or { Serial: "stdio", Display.IsText: true } ? "none" : options.Serial);
    private readonly StreamWriter? _trace = options.Trace is { } path ? new StreamWriter(OpenFile(path, "trace")) : null;

    private MachineAttachments Attachments => new()
    {
        Loggers = options.Loggers,
        TranslationTrace = _trace,
        ConsoleOutput = bytes =>
            (options.Spec.Console == ConsoleDevice.Serial || options.Display.IsText ? _serial : _output).Write(bytes.Span),
        SerialOutput = bytes => _serial.Write(bytes.Span),
        GuestReset = reason => Console.Error.Write(
            Console.IsErrorRedirected ? $"strata: {reason} It starts again.\n" : $"\r\nstrata: {reason} It starts again.\r\n"),
    };

    /// <param name="token">Ends what comes before the machine's start; from then on the signals are taken.</param>
    public async Task<int> ExecuteAsync(TerminationSignals signals, CancellationToken token)
    {
        MachineSpec spec = await ResolveSpecAsync(token).ConfigureAwait(false);
        await using MachineReservation? reservation = await ReserveNameAsync(spec).ConfigureAwait(false);
        spec = spec with { Name = reservation?.Name };
        if (options.Exec is { } line)
        {
            return await ExecRun.ExecuteAsync(spec, Attachments, reservation, line, options.Statistics, signals).ConfigureAwait(false);
        }

        using MachineShutdown shutdown = new(options.StopPatience, signals);
        using Terminal terminal = new();
        await using VirtualMachine machine = await StartAsync(spec, token).ConfigureAwait(false);
        await using RunDisplay display = await RunDisplay.OpenAsync(options.Display, machine, spec.Name, _output).ConfigureAwait(false);
        ControlServer? control = reservation is null ? null : ControlServer.Start(machine, reservation); // ends with the machine
        ForwardedPortText.ReportChosen(machine);
        TimeSpan startUp = DateTime.UtcNow - Process.GetCurrentProcess().StartTime.ToUniversalTime();
        shutdown.Start(machine);
        bool mustHold = !terminal.IsRaw && machine.DropsTypedAhead;
        Task reader = mustHold ? machine.Agent.WaitForConsoleReaderAsync(token) : Task.CompletedTask;
        HeldInput held = new(display.Input ?? (bytes => machine.Console.WriteAsync(bytes)), reader);
        Thread input = new(() => PumpInput(machine, control?.Name, held)) { IsBackground = true, Name = "strata-input" };
        input.Start();
        MachineExit exit = await machine.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        await display.DisposeAsync().ConfigureAwait(false);
        terminal.Dispose();
        foreach (string? failure in (string?[])[machine.CaptureFailure, machine.SwitchFailure, _output.Failure, _serial.Failure])
        {
            if (failure is not null)
            {
                Console.Error.WriteLine($"strata: {failure}");
            }
        }

        if (options.Statistics)
        {
            ReportStatistics(machine, startUp);
        }

        int code = Report(exit, shutdown.StoppedBy);
        bool isIncomplete = (_output.Failure ?? _serial.Failure) is not null;
        return isIncomplete && code == ExitCodes.Success ? ExitCodes.Failure : code;
    }

    public void Dispose()
    {
        _output.Dispose();
        _serial.Dispose();
        _trace?.Dispose();
    }

    /// <summary>A machine that nobody can reach is still a machine, unless a name was asked for.</summary>
    private static async Task<MachineReservation?> ReserveNameAsync(MachineSpec spec)
    {
        try
        {
            return await new MachineRegistry().ReserveAsync(spec.Name, spec.Origin).ConfigureAwait(false);
        }
        catch (StrataException error) when (spec.Name is null)
        {
            Console.Error.WriteLine($"strata: no other command will reach this machine. {error.Message}");
            return null;
        }
    }

    private static GuestOutput OpenSerial(string serial)
    {
        const string file = "file:";
        if (serial == "stdio")
        {
            return new GuestOutput(new StandardStream(StandardStream.Output));
        }

        if (serial == "none")
        {
            return new GuestOutput(Stream.Null);
        }

        if (!serial.StartsWith(file, StringComparison.Ordinal) || serial.Length == file.Length)
        {
            throw new StrataException(StrataError.BadInput, $"\"{serial}\" is no serial port; write stdio, none or file:PATH.");
        }

        return new GuestOutput(OpenFile(serial[file.Length..], "serial port's"));
    }

    private static FileStream OpenFile(string path, string what)
    {
        try
        {
            return new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StrataException(StrataError.BadInput, $"The {what} file {path} cannot be written: {error.Message}", error);
        }
    }

    private async Task<VirtualMachine> StartAsync(MachineSpec spec, CancellationToken token)
    {
        if (options.Restore is not { } restore)
        {
            return await VirtualMachine.StartAsync(spec, Attachments, token).ConfigureAwait(false);
        }

        VirtualMachine machine = await VirtualMachine.RestoreAsync(
            restore.Store, restore.Snapshot, restore.Options with { Name = spec.Name }, Attachments, token).ConfigureAwait(false);
        await restore.WhenRuns().ConfigureAwait(false);
        if (machine.IdentityFailure is { } failure)
        {
            await Console.Error.WriteAsync(
                Console.IsErrorRedirected ? $"strata: {failure}\n" : $"\r\nstrata: {failure}\r\n").ConfigureAwait(false);
        }

        return machine;
    }

    private Task<MachineSpec> ResolveSpecAsync(CancellationToken token)
    {
        if (options.Restore is not null)
        {
            return Task.FromResult(options.Spec); // it was resolved when the machine was started
        }

        MachineSpec spec = options.Spec is { Kernel: not null, CommandLine: null } plain ? plain with
        {
            CommandLine = "console=ttyS0 panic=-1",
        } : options.Spec;
        return spec.ResolveAsync(LineProgress.ForTerminal(), token);
    }

    /// <summary>
    /// Standard input to the guest; Ctrl-A is the escape. The end of input does not stop the guest, and no more does input that cannot be
    /// read, such as that of a terminal that was closed.
    /// </summary>
    private static void PumpInput(VirtualMachine machine, string? name, HeldInput held)
    {
        using StandardStream input = new(StandardStream.Input);
        byte[] buffer = new byte[4096];
        List<byte> pass = [];
        EscapedKeys keys = new();
        while (true)
        {
            int count;
            try
            {
                count = input.Read(buffer);
            }
            catch (IOException)
            {
                return;
            }

            if (count <= 0)
            {
                return;
            }

            pass.Clear();
            keys.Take(buffer.AsSpan(0, count), pass, key => RunEscape(machine, name, key, pass));
            held.TypeAsync([.. pass]).GetAwaiter().GetResult();
        }
    }

    private static void RunEscape(VirtualMachine machine, string? name, byte key, List<byte> pass)
    {
        switch ((char)key)
        {
            case 'x' or 'X':
                _ = machine.StopAsync();
                break;
            case 'p' or 'P':
                machine.PressPowerButton();
                break;
            case 'e' or 'E':
                SwitchEngine(machine);
                break;
            case 'h' or 'H' or '?':
                Console.Error.Write(
                    $"\r\n{(name is null ? "" : $"This machine is {name} to other commands.\r\n")}Ctrl-A X  quit at once\r\nCtrl-A P  " +
                    $"press the power button\r\nCtrl-A E  go to the next engine\r\nCtrl-A A  send Ctrl-A\r\nCtrl-A H  this help\r\n");
                break;
            case 'a' or 'A' or (char)EscapedKeys.Escape:
                pass.Add(EscapedKeys.Escape);
                break;
            default:
                break;
        }
    }

    /// <summary>The engine behind the current one, and round again.</summary>
    private static void SwitchEngine(VirtualMachine machine)
    {
        Engine[] order = [.. EngineNames.All.Select(EngineNames.Parse).Where(engine => engine != Engine.Auto)];
        int current = Array.IndexOf(order, machine.Engine);
        for (int step = 1; step < order.Length; step++)
        {
            Engine next = order[(current + step) % order.Length];
            try
            {
                TimeSpan pause = machine.SwitchEngineAsync(next).GetAwaiter().GetResult();
                Console.Error.Write($"\r\nstrata: engine {next.Name}, after {pause.TotalMilliseconds:F1} ms\r\n");
                return;
            }
            catch (StrataException error)
            {
                Console.Error.Write($"\r\nstrata: not on engine {next.Name}: {error.Message}\r\n");
            }
        }
    }

    private void ReportStatistics(VirtualMachine machine, TimeSpan startUp)
    {
        using Process self = Process.GetCurrentProcess();
        TimeSpan whole = DateTime.UtcNow - self.StartTime.ToUniversalTime();
        double millions = machine.InstructionsExecuted / 1e6;
        Console.Error.WriteLine($"strata: engine {machine.InitialEngine.Engine.Name}. {machine.InitialEngine.Reason}");
        Console.Error.WriteLine(
            $"strata: first guest instruction after {startUp.TotalMilliseconds:F0} ms, whole run {whole.TotalSeconds:F2} s");
        string speed = options.Spec.Engine == Engine.Interpreter
            ? $", {millions:F0} million guest instructions, {millions / (whole - startUp).TotalSeconds:F0} MIPS"
            : string.Empty;
        Console.Error.WriteLine($"strata: peak memory {self.PeakWorkingSet64 >> 20} MiB{speed}");
        Console.Error.WriteLine(machine.DescribeCounters());
    }

    /// <param name="signal">Number of the one that stopped the machine, if one did.</param>
    internal static int Report(MachineExit exit, int? signal)
    {
        if (exit.Reason == MachineExitReason.PowerOff)
        {
            return ExitCodes.Success;
        }

        Console.Error.WriteLine($"strata: {exit.Details}");
        return exit.Reason switch
        {
            MachineExitReason.DebugExit => exit.Code & 0xFF,
            MachineExitReason.Reset => ExitCodes.GuestReset,
            MachineExitReason.Panic => ExitCodes.GuestPanic,
            MachineExitReason.TripleFault => ExitCodes.TripleFault,
            MachineExitReason.Error => ExitCodes.MonitorError,
            _ => signal is { } number ? TerminationSignals.ExitCode(number) : ExitCodes.Success,
        };
    }
}
