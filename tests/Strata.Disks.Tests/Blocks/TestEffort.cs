namespace Strata.Disks.Tests.Blocks;

/// <summary>How often random tests try. Set STRATA_LONG_TESTS=1 for the long runs.</summary>
internal static class TestEffort
{
    private static readonly bool IsLong = Environment.GetEnvironmentVariable("STRATA_LONG_TESTS") == "1";

    /// <summary>Changed images of each kind.</summary>
    public static int Changes => IsLong ? 10_000 : 1_200;

    /// <summary>Stops of the process or the host, of each kind.</summary>
    public static int Stops => IsLong ? 300 : 12;

    /// <summary>Processes that are killed, of each kind: 1,000 for the ten kinds.</summary>
    public static int Kills => IsLong ? 100 : 2;
}
