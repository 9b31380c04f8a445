using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.EndToEnd.Tests;

/// <summary>The README's program: what it says is what runs here.</summary>
public sealed class ReadmeTests(DebianGuest guest) : IClassFixture<DebianGuest>
{
    private const string Begin = "        // The README's program:";
    private const string End = "        // Its end.";

    [Fact]
    public async Task Program_OfTheReadme_PowersOff()
    {
        Assert.True(File.Exists(guest.Kernel));

        MachineExit exit = await RunAsync().WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
    }

    [Fact]
    public void Program_OfTheReadme_IsTheOneThatIsTested()
    {
        string root = FindRoot();
        string[] source = File.ReadAllLines(Path.Combine(root, "tests", "Strata.EndToEnd.Tests", "ReadmeTests.cs"));

        IEnumerable<string> program = source
            .SkipWhile(line => line != Begin).Skip(1).TakeWhile(line => line != End)
            .Select(line => line[8..]);

        Assert.Contains(
            $"```csharp\n{string.Join('\n', program)}\n```", File.ReadAllText(Path.Combine(root, "README.md")), StringComparison.Ordinal);
    }

    private static async Task<MachineExit> RunAsync()
    {
        // The README's program:
        DebianTiny image = new();
        await image.EnsureAsync();
        await using VirtualMachine machine = await VirtualMachine.StartAsync(new MachineSpec
        {
            Kernel = image.KernelPath,
            Initrd = image.InitrdPath,
            CommandLine = "console=ttyS0 quiet",
            Processors = 2,
        });
        await machine.Console.WaitForAsync("/root# ");
        await machine.Console.WriteLineAsync("echo $(nproc) processors; poweroff");
        await machine.Console.WaitForAsync("2 processors");
        MachineExit exit = await machine.WaitForExitAsync();
        Console.WriteLine(exit.Details);
        // Its end.
        return exit;
    }

    internal static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Strata.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new DirectoryNotFoundException("No folder above the tests holds Strata.slnx.");
    }
}
