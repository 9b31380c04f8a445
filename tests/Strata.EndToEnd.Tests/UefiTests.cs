using Strata.EndToEnd.Tests.Harness;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>OVMF starts, keeps its variables, and goes on where it was saved.</summary>
public sealed class UefiTests : IDisposable
{
    /// <summary>What is typed is echoed letter by letter, with orders to the terminal between; what is printed is in one piece.</summary>
    private const string Prompt = "Shell> ";

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(10));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Shell_OnBothEngines_TakesCommands()
    {
        foreach (Engine engine in (Engine[])[Engine.Interpreter, Engine.Translator])
        {
            await using VirtualMachine machine = await StartShellAsync(null, engine);

            await machine.Screen.TypeAsync("ver\n", _timeout.Token);

            await machine.Console.WaitForAsync("UEFI Interactive Shell v", _timeout.Token);
            await machine.Screen.WaitForTextAsync("UEFI Interactive Shell v", _timeout.Token); // the same in the picture
            Assert.Contains("Shell> ver\n", machine.Screen.ReadText(), StringComparison.Ordinal);
        }
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Variable_SetByTheShell_IsThereAfterAResetAndTheNextStart()
    {
        string variables = _folder.PathOf("vars.fd");
        await using (VirtualMachine machine = await StartShellAsync(variables, Engine.Translator))
        {
            await machine.Screen.TypeAsync("set keptword forever\n", _timeout.Token);
            await machine.Console.WaitForAsync(Prompt, _timeout.Token);
            await machine.Screen.TypeAsync("reset\n", _timeout.Token);
            while (machine.Resets == 0)
            {
                await Task.Delay(20, _timeout.Token);
            }

            await machine.Console.WaitForAsync(Prompt, _timeout.Token);
            await machine.Screen.TypeAsync("set\n", _timeout.Token);
            await machine.Console.WaitForAsync("forever", _timeout.Token);
        }

        await using VirtualMachine second = await StartShellAsync(variables, Engine.Translator);
        await second.Screen.TypeAsync("set\n", _timeout.Token);
        await second.Console.WaitForAsync("forever", _timeout.Token);
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Snapshot_OfTheShell_GoesOnWithItsVariables()
    {
        SnapshotStore store = new(_folder.PathOf("snapshots"));
        await using (VirtualMachine machine = await StartShellAsync(null, Engine.Translator))
        {
            await machine.Screen.TypeAsync("set keptword insnapshot\n", _timeout.Token);
            await machine.Console.WaitForAsync(Prompt, _timeout.Token);
            await machine.SuspendAsync(new SnapshotRequest { Name = "shell" }, store, _timeout.Token);
        }

        await using VirtualMachine restored = await VirtualMachine.RestoreAsync(store, "shell", cancellationToken: _timeout.Token);
        await restored.Screen.TypeAsync("set\n", _timeout.Token);

        await restored.Console.WaitForAsync("insnapshot", _timeout.Token);
    }

    private async Task<VirtualMachine> StartShellAsync(string? variables, Engine engine)
    {
        MachineSpec spec = new()
        {
            Firmware = FirmwareKind.Ovmf,
            FirmwareVariables = variables,
            Memory = 256UL << 20,
            Networks = [],
            Engine = engine,
        };
        VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync("startup.nsh", _timeout.Token);
        await machine.Screen.PressAsync("esc", _timeout.Token);
        await machine.Console.WaitForAsync(Prompt, _timeout.Token);
        return machine;
    }
}
