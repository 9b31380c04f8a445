using System.Globalization;
using Iced.Intel;
using Strata.X86.Direct.Stub;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Direct.Tests.Stub;

/// <summary>Signals that meet in a stub.</summary>
public sealed class StubSignalTests
{
    /// <summary>
    /// A kick that arrives together with another signal must not hide it: the program's registers would be those of before, and what it has
    /// written would stay.
    /// </summary>
    [DirectFact]
    public async Task Interrupt_TogetherWithAnotherSignal_LosesNoProgress()
    {
        const int illegal = 4;
        const int stop = 19;
        const int go = 18;
        using StubGuest guest = new();
        guest.Write(c =>
        {
            Label loop = c.CreateLabel();
            c.Label(ref loop);
            c.inc(__qword_ptr[StubGuest.Data]);
            c.jmp(loop);
        });
        int process = guest.Stub.ProcessId;
        string folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{process}");
        int runner = Directory.GetDirectories($"{folder}/task")
            .Select(task => int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture))
            .Single(thread => thread != process);

        Task<StubFrame> run = Task.Run(() => guest.Run());
        await UntilAsync(() => guest.DataPage[1] != 0);
        _ = HostCalls.Kill(process, stop);
        await UntilAsync(() => File.ReadAllText($"{folder}/task/{runner}/stat").Contains(") T ", StringComparison.Ordinal));
        _ = HostCalls.SignalThread(process, runner, illegal); // delivered first, and then the kick inside of its handler
        _ = HostCalls.SignalThread(process, runner, StubCode.KickSignal);
        _ = HostCalls.Kill(process, go);
        StubFrame frame = await run.WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Equal(illegal, frame.Signal);
        Assert.InRange(frame.Rip, StubGuest.Code, StubGuest.Code + 16);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        while (!condition())
        {
            await Task.Delay(1, limit.Token);
        }
    }
}
