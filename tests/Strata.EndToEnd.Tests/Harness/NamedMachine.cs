namespace Strata.EndToEnd.Tests.Harness;

/// <summary>debian-tiny on the translator, run by `strata run --name`, with a folder of control sockets of its own.</summary>
public sealed class NamedMachine : IAsyncLifetime, IDisposable
{
    public const string Name = "guest";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly TemporaryFolder _runtime = new();
    private HostCommand? _run;

    private Dictionary<string, string> Environment => new()
    {
        ["XDG_RUNTIME_DIR"] = _runtime.Root,
        ["XDG_DATA_HOME"] = _runtime.PathOf("data"),
    };

    public async Task InitializeAsync()
    {
        await new Images.DebianTiny().EnsureAsync();
        _run = HostCommand.StartStrata(
            Environment, "run", "debian-tiny", "--memory", "256M", "--engine", "translator", "--name", Name, "--forward", "0:22");
        using CancellationTokenSource timeout = new(Patience);
        await _run.WaitForOutputAsync(DebianGuest.Prompt, timeout.Token);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose()
    {
        _run?.Dispose();
        _runtime.Dispose();
    }

    /// <summary>A strata command that sees the machine.</summary>
    internal HostCommand Start(params string[] arguments) => HostCommand.StartStrata(Environment, arguments);

    /// <summary>Any tool, as one that starts strata commands.</summary>
    internal HostCommand StartTool(string tool, params string[] arguments) => HostCommand.Start(tool, Environment, arguments);

    /// <summary>A strata command, run to its end without input.</summary>
    internal async Task<(int Code, string Output, string Errors)> RunAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        using HostCommand command = Start(arguments);
        command.EndInput();
        (int code, string errors) = await command.WaitForExitAsync(cancellationToken);
        return (code, command.Output, errors);
    }
}
