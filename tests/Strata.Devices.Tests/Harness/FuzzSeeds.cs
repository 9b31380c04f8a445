using System.Collections;
using System.Globalization;

namespace Strata.Devices.Tests.Harness;

/// <summary>
/// Seeds of random tests, each a test of its own: a few as a rule, STRATA_FUZZ_SEEDS where that is set (./build.sh fuzz), and only
/// STRATA_SEED where one is to be repeated.
/// </summary>
internal sealed class FuzzSeeds : IEnumerable<object[]>
{
    private const int Usual = 3;

    public IEnumerator<object[]> GetEnumerator() => Take(Usual).Select(seed => new object[] { seed }).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <param name="usual">How many where nobody asks for more.</param>
    public static IEnumerable<int> Take(int usual) => Read("STRATA_SEED") is { } seed
        ? [seed]
        : Enumerable.Range(1, Math.Max(usual, Read("STRATA_FUZZ_SEEDS") ?? 0));

    private static int? Read(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out int value) ? value : null;
}
