using System.Text;
using Strata.Core.Memory;
using Strata.Devices.Serial;
using Strata.EndToEnd.Tests.Harness;
using Strata.Machines.Boards;
using Strata.Machines.Engines;

namespace Strata.EndToEnd.Tests;

/// <summary>A guest that counts, moved between two machines by its memory and the records of its units.</summary>
public sealed class SavedMachineTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const int Processors = 2;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Theory]
    [InlineData("translator", "translator")]
    [InlineData("translator", "interpreter")]
    public async Task LoadState_GuestThatCountsTicks_GoesOnWithTheNextOne(string from, string to)
    {
        Output oldOutput = new();
        using PcBoard old = Create(from, oldOutput);
        old.Start();
        await oldOutput.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        Type(old, "i=0; while [ $i -lt 12 ]; do sleep 0.1; i=$((i+1)); echo tick-$i; done; read x; echo got-$x; date +%s; poweroff\n");
        await oldOutput.WaitForAsync("tick-5\r\n", _timeout.Token);
        Output output = new();
        using PcBoard board = Create(to, output);

        old.Pause();
        board.Pause();
        CopyMemory(old.Ram, board.Ram);
        board.LoadState(old.SaveState().ToList());
        int told = Enumerable.Range(1, 12).Last(tick => oldOutput.Text.Contains($"tick-{tick}\r\n", StringComparison.Ordinal));
        board.Start();
        board.Resume();

        for (int tick = told + 1; tick <= 12; tick++)
        {
            await output.WaitForAsync($"tick-{tick}\r\n", _timeout.Token);
        }

        Assert.DoesNotContain($"tick-{told}\r\n", output.Text, StringComparison.Ordinal);
        Type(board, "typed\n");
        await output.WaitForAsync("got-typed\r\n", _timeout.Token);
        Machines.Boards.MachineExit exit = await board.Exit.WaitAsync(_timeout.Token);
        Assert.Equal(Machines.Boards.MachineExitReason.PowerOff, exit.Reason);
    }

    public void Dispose() => _timeout.Dispose();

    private static void Type(PcBoard board, string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        Assert.Equal(bytes.Length, board.WriteSerial(bytes));
    }

    private static void CopyMemory(GuestMemory from, GuestMemory to)
    {
        const int piece = 1 << 20;
        for (ulong at = 0; at < from.Size; at += piece)
        {
            from.Slice(at, piece).CopyTo(to.Slice(at, piece));
        }
    }

    private PcBoard Create(string engine, ISerialBackend serial) => new(new PcBoardOptions
    {
        MemorySize = 256 << 20,
        Processors = Processors,
        Engine = EngineRegistry.Find(engine)!,
        Serial = serial,
        StartTime = DateTime.UnixEpoch,
        Kernel = File.ReadAllBytes(guest.Kernel),
        Initrd = File.ReadAllBytes(guest.Initrd),
        CommandLine = "console=ttyS0 quiet panic=-1",
    });

    /// <summary>What a guest prints.</summary>
    private sealed class Output : ISerialBackend
    {
        private readonly object _gate = new();
        private readonly StringBuilder _text = new();
        private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Text
        {
            get
            {
                lock (_gate)
                {
                    return _text.ToString();
                }
            }
        }

        public void Write(ReadOnlySpan<byte> bytes)
        {
            lock (_gate)
            {
                _text.Append(Encoding.ASCII.GetString(bytes));
                _more.TrySetResult();
            }
        }

        public async Task WaitForAsync(string text, CancellationToken cancellationToken)
        {
            while (true)
            {
                Task more;
                lock (_gate)
                {
                    if (_text.ToString().Contains(text, StringComparison.Ordinal))
                    {
                        return;
                    }

                    _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    more = _more.Task;
                }

                await more.WaitAsync(cancellationToken);
            }
        }
    }
}
