using Strata.Cli;
using Strata.Core.Posix;

namespace Strata.Tests;

/// <summary>Arguments whose bytes are no UTF-8.</summary>
public sealed class RawArgumentsTests
{
    [Fact]
    public void Recover_BytesThatAreNoText_AreKept()
    {
        byte[] commandLine = [.. "dotnet\0Strata.Cli.dll\0exec\0caf"u8, 0xE9, 0, 0];

        string[] words = RawArguments.Recover(["exec", "caf\uFFFD", ""], commandLine);

        Assert.Equal(["exec", "caf\uDCE9", ""], words);
        Assert.Equal([.. "caf"u8, 0xE9], ByteText.GetBytes(words[1]));
    }

    [Fact]
    public void Recover_CommandLineThatIsShorter_IsWhatTheRuntimeTold() =>
        Assert.Equal(["exec", "x\uFFFD"], RawArguments.Recover(["exec", "x\uFFFD"], "exec\0"u8));
}
