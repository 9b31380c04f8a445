using Strata.Devices.Serial;
using Strata.EndToEnd.Tests.Harness;
using Strata.Machines.Boards;
using Strata.Machines.Engines;
using Xunit.Abstractions;

namespace Strata.EndToEnd.Tests;

/// <summary>The paravirtual clock of a machine that moves between engines.</summary>
public sealed class ParavirtualClockTests(ITestOutputHelper output)
{
    private const int Switches = 30;
    private const int StayMilliseconds = 20;
    private const long Microsecond = 1_000;

    private static readonly EngineDescriptor Translator = EngineRegistry.Find("translator")!;
    private static readonly EngineDescriptor Kvm = EngineRegistry.Find("kvm")!;

    [Fact]
    public Task Clock_SwitchesBetweenSoftwareEngines_IsVirtualTime() =>
        CompareAsync([EngineRegistry.Interpreter, Translator], allowed: Microsecond);

    [KvmFact]
    public Task Clock_SwitchesBetweenAllEngines_IsVirtualTimeWithinAMillisecond() =>
        CompareAsync([EngineRegistry.Interpreter, Kvm, Translator], allowed: 1000 * Microsecond);

    private async Task CompareAsync(EngineDescriptor[] engines, long allowed)
    {
        using PcBoard board = new(new PcBoardOptions
        {
            MemorySize = 16 << 20,
            Engine = engines[^1],
            PortableCpu = engines.Contains(Kvm),
            AcceptsDefectiveKvm = true, // the guest makes no system calls
            Serial = new NoSerial(),
            StartTime = DateTime.UnixEpoch,
            Kernel = ClockProbe.Assemble(),
        });
        ClockProbe probe = new(board);
        board.Ports.Map(ClockProbe.FirstPort, ClockProbe.PortCount, probe);
        board.Start();
        long[] samples = new long[engines.Length];
        long[] worst = new long[engines.Length];

        for (int i = 0; i < Switches; i++)
        {
            int engine = i % engines.Length;
            board.SwitchEngine(engines[engine]);
            await Task.Delay(StayMilliseconds);
            (long count, long error) = probe.Take();
            samples[engine] += count;
            worst[engine] = Math.Max(worst[engine], error);
        }

        for (int i = 0; i < engines.Length; i++)
        {
            output.WriteLine($"{engines[i]}: {samples[i]} samples, at most {worst[i]} ns wrong");
        }

        Assert.All(samples, count => Assert.InRange(count, Switches, long.MaxValue));
        Assert.All(worst, error => Assert.InRange(error, 0, allowed));
    }

    private sealed class NoSerial : ISerialBackend
    {
        public void Write(ReadOnlySpan<byte> bytes)
        {
        }
    }
}
