using Strata.Verification;

namespace Strata.Tests.Verification;

/// <summary>A small guest on both engines: they agree, and a wrong bit is found at its instruction.</summary>
public sealed class VerifierTests : IDisposable
{
    private const ulong Memory = 8UL << 20;

    /// <summary>Instructions of the program up to its end, as the engines count them.</summary>
    private const long AtLeast = LongModeProgram.Rounds * 7;

    private readonly TemporaryFolder _folder = new();
    private readonly VerificationSpec _spec;

    public VerifierTests() => _spec = new VerificationSpec
    {
        Kernel = _folder.Write("program", LongModeProgram.Create()),
        Memory = Memory,
        MemoryEvery = 5000,
    };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task RunAsync_EnginesAgree_EndsWithTheGuest()
    {
        VerificationResult result = await Verifier.RunAsync(_spec);

        Assert.Null(result.Divergence);
        Assert.Equal(MachineExitReason.DebugExit, result.Exit?.Reason);
        Assert.InRange(result.Instructions, AtLeast, AtLeast + 100);
        Assert.True(result.Comparisons > LongModeProgram.Rounds);
    }

    [Fact]
    public async Task RunAsync_FaultsPushUndefinedFlags_AreNoDifference()
    {
        VerificationSpec spec = _spec with { Kernel = _folder.Write("faulting", LongModeProgram.CreateFaulting()), MemoryEvery = 100 };

        VerificationResult result = await Verifier.RunAsync(spec);

        Assert.Null(result.Divergence);
        Assert.Equal(MachineExitReason.DebugExit, result.Exit?.Reason);
    }

    [Theory]
    [InlineData(10_000, 0)]
    [InlineData(10_001, 0)]
    [InlineData(10_004, 0)]
    [InlineData(12_345, 1000)]
    [InlineData(12_346, 700)]
    public async Task RunAsync_OneWrongBit_FindsTheInstruction(long faulty, long every)
    {
        VerificationSpec spec = _spec with { Every = every, FaultAt = faulty };

        VerificationResult result = await Verifier.RunAsync(spec);

        Assert.NotNull(result.Divergence);
        Assert.Equal((faulty - 1, faulty), (result.Divergence.Before, result.Divergence.After));
        Assert.Contains(result.Divergence.Registers, register => register.Name == "RAX" && (register.Expected ^ register.Actual) == 0x20);
        Assert.Single(result.Divergence.Code, line => line.StartsWith("->", StringComparison.Ordinal));
    }

    [Fact]
    public async Task RunAsync_Repeated_ExecutesTheSame()
    {
        VerificationResult first = await Verifier.RunAsync(_spec);

        VerificationResult second = await Verifier.RunAsync(_spec with { Every = 999 });

        Assert.Equal(first.Instructions, second.Instructions);
    }

    [Fact]
    public async Task RunAsync_FromLaterOn_DoesNotSeeTheFaultBefore()
    {
        // A wrong bit in the accumulator stays wrong: the first comparison finds it, but not where it came from.
        VerificationSpec spec = _spec with { From = 15_000, FaultAt = 10_000 };

        VerificationResult result = await Verifier.RunAsync(spec);

        Assert.NotNull(result.Divergence);
        Assert.True(result.Divergence.After >= 15_000);
    }

    [Fact]
    public async Task RunAsync_KernelIsMissing_SaysWhich()
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => Verifier.RunAsync(_spec with { Kernel = _folder.PathOf("missing") }));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("missing", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65)]
    public async Task RunAsync_NumberOfProcessorsIsOutOfRange_IsRefused(int processors)
    {
        await Assert.ThrowsAsync<StrataException>(() => Verifier.RunAsync(_spec with { Processors = processors }));
    }
}
