using System.CommandLine;
using System.Runtime.InteropServices;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata console`: a terminal for a machine that runs, beside its own if it has one.</summary>
internal static class ConsoleCommand
{
    public static Command Create(TerminationSignals signals)
    {
        Argument<string> machine = MachineArguments.Machine();
        Option<bool> readOnly = new("--read-only") { Description = "Look on without typing." };
        DocumentedCommand command = new("console", "Attach this terminal to the console of a running machine.", """
            What the console printed last is shown first. Keys go to the guest as they are, but for Ctrl-A: Ctrl-A D leaves, and the machine
            goes on; Ctrl-A A sends Ctrl-A; Ctrl-A H tells more. Several may be attached at a time, and the terminal of `strata run`
            stays: all see the same, and all may type.

            With an input that is no terminal the console is shown until the machine ends.

            Examples:
              strata run debian --name web < /dev/null > /dev/null &
              strata console web

            Exit code 0: you left, or the machine ended; 2: no such machine runs.
            """)
        {
            machine, readOnly,
        };
        command.SetAction((result, token) => AttachAsync(result.GetValue(machine)!, result.GetValue(readOnly), signals, token));
        return command;
    }

    private static async Task<int> AttachAsync(string name, bool readOnly, TerminationSignals signals, CancellationToken cancellationToken)
    {
        Stream console = await new MachineRegistry().Find(name).OpenConsoleAsync(cancellationToken).ConfigureAwait(false);
        await using (console.ConfigureAwait(false))
        {
            using CancellationTokenSource left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            using IDisposable taken = signals.Take(
                number => _ = left.CancelAsync(), PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGINT, PosixSignal.SIGQUIT);
            using Terminal terminal = new();
            if (terminal.IsRaw)
            {
                Console.Error.Write($"strata: attached to {name}; Ctrl-A D leaves\r\n");
            }

            Thread keys = new(() => PumpKeys(console, readOnly, left)) { IsBackground = true, Name = "strata-input" };
            keys.Start();
            string farewell = await ShowAsync(console, name, left.Token).ConfigureAwait(false);
            terminal.Dispose();
            Console.Error.WriteLine($"\nstrata: {farewell}");
            return ExitCodes.Success;
        }
    }

    /// <returns>Why it ended.</returns>
    private static async Task<string> ShowAsync(Stream console, string name, CancellationToken left)
    {
        using StandardStream output = new(StandardStream.Output, isText: true);
        byte[] buffer = new byte[64 << 10];
        try
        {
            int count;
            while ((count = await console.ReadAsync(buffer, left).ConfigureAwait(false)) > 0)
            {
                await output.WriteAsync(buffer.AsMemory(0, count), left).ConfigureAwait(false);
                await output.FlushAsync(left).ConfigureAwait(false);
            }

            return $"the machine {name} has ended";
        }
        catch (OperationCanceledException)
        {
            return $"left {name}, which goes on";
        }
        catch (IOException error) when (error is not OutputLostException)
        {
            return $"the process of the machine {name} has gone";
        }
    }

    /// <summary>
    /// Keys to the guest, until the escape to leave. The end of input, or a machine that has gone, is no reason: the output tells.
    /// </summary>
    private static void PumpKeys(Stream console, bool readOnly, CancellationTokenSource left)
    {
        using StandardStream input = new(StandardStream.Input);
        byte[] buffer = new byte[4096];
        List<byte> pass = [];
        EscapedKeys keys = new();
        try
        {
            int count;
            while ((count = input.Read(buffer)) > 0)
            {
                pass.Clear();
                keys.Take(buffer.AsSpan(0, count), pass, OnEscaped);
                if (left.IsCancellationRequested)
                {
                    return;
                }

                Send(console, readOnly, pass);
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            // The terminal was closed, or the machine has gone, which its output ends with.
        }

        void OnEscaped(byte key)
        {
            switch ((char)key)
            {
                case 'd' or 'D':
                    Send(console, readOnly, pass);
                    left.Cancel();
                    break;
                case (char)EscapedKeys.Escape or 'a' or 'A':
                    pass.Add(EscapedKeys.Escape);
                    break;
                default:
                    Console.Error.Write("\r\nCtrl-A D  leave; the machine goes on\r\nCtrl-A A  send Ctrl-A\r\nCtrl-A H  this help\r\n");
                    break;
            }
        }
    }

    private static void Send(Stream console, bool readOnly, List<byte> keys)
    {
        if (!readOnly && keys.Count > 0)
        {
            console.Write(keys.ToArray());
        }
    }
}
