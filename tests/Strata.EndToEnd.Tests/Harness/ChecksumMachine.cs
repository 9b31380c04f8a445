using System.Globalization;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A small machine with the guest that checks itself.</summary>
internal static class ChecksumMachine
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public static MachineSpec SpecIn(TemporaryFolder folder) => new()
    {
        Kernel = folder.Write("guest", ChecksumGuest.Assemble()),
        Engine = Engine.Interpreter,
        Memory = 32UL << 20,
    };

    /// <summary>Ends the guest, which says what it has computed and counted.</summary>
    public static async Task AssertComputesAsync(VirtualMachine machine)
    {
        await machine.Console.WriteAsync(new byte[] { (byte)'.' });
        MachineExit exit = await machine.WaitForExitAsync().WaitAsync(Patience);
        Assert.Equal((MachineExitReason.DebugExit, 1), (exit.Reason, exit.Code)); // twice the value written, and one
        uint[] words = [.. machine.Console.Output.TrimEnd('.').Split(' ').Select(
            word => uint.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
        Assert.Equal(ChecksumGuest.After(words[0]), words[1]);
    }
}
