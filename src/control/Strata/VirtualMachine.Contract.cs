using Strata.Control;
using Strata.Snapshots;

namespace Strata;

/// <content>What can be asked of every machine, wherever it runs.</content>
public sealed partial class VirtualMachine : IMachine
{
    /// <inheritdoc/>
    public string Name => Spec.Name ?? string.Empty;

    /// <inheritdoc/>
    public Task<MachineDescription> DescribeAsync(CancellationToken cancellationToken = default) => Task.FromResult(Describe());

    /// <inheritdoc/>
    public Task<MachineSpec> GetSpecAsync(CancellationToken cancellationToken = default) =>
        Task.FromResult(Spec.RootedAt(Environment.CurrentDirectory));

    /// <inheritdoc/>
    public Task<EngineReport> ExplainEngineAsync(CancellationToken cancellationToken = default) => Task.FromResult(ExplainEngine());

    /// <inheritdoc/>
    public Task<MachineInspection> InspectAsync(CancellationToken cancellationToken = default) =>
        Task.FromResult(new MachineInspection { Machine = Describe(), Board = Inspect() });

    /// <inheritdoc/>
    public Task PressPowerButtonAsync(CancellationToken cancellationToken = default)
    {
        PressPowerButton();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task WaitForReleaseAsync(CancellationToken cancellationToken = default) => _released.Task.WaitAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<Stream> OpenConsoleAsync(CancellationToken cancellationToken = default) => Task.FromResult<Stream>(new ConsoleStream(this));

    /// <inheritdoc/>
    public Task<string?> ReadScreenAsync(CancellationToken cancellationToken = default) => Task.FromResult(Screen.ReadText());

    /// <inheritdoc/>
    public Task<byte[]> CaptureScreenAsync(CancellationToken cancellationToken = default) => Task.Run(Screen.ToPng, cancellationToken);

    /// <inheritdoc/>
    public Task TypeAsync(string text, CancellationToken cancellationToken = default) => Screen.TypeAsync(text, cancellationToken);

    /// <inheritdoc/>
    public Task PressKeysAsync(string keys, CancellationToken cancellationToken = default) => Screen.PressAsync(keys, cancellationToken);

    Task<SnapshotReport> IMachine.CreateSnapshotAsync(SnapshotRequest request, CancellationToken cancellationToken) =>
        CreateSnapshotAsync(request, null, cancellationToken);

    Task<SnapshotReport> IMachine.SuspendAsync(SnapshotRequest request, CancellationToken cancellationToken) =>
        SuspendAsync(request, null, cancellationToken);

    Task<TimeSpan> IMachine.RollBackAsync(string name, CancellationToken cancellationToken) => RollBackAsync(name, null, cancellationToken);

    Task<ForkPoint> IMachine.CreateForkPointAsync(CancellationToken cancellationToken) => CreateForkPointAsync(cancellationToken);

    Task IMachine.ResetAsync(CancellationToken cancellationToken)
    {
        if (HasEnded)
        {
            throw new StrataException(StrataError.BadInput, $"{Called} has ended; start it again with `strata run`.");
        }

        Reset();
        return Task.CompletedTask;
    }

    Task IMachine.StopAsync(CancellationToken cancellationToken) => StopAsync().WaitAsync(cancellationToken);

    async Task<EngineSwitch> IMachine.SwitchEngineAsync(Engine engine, CancellationToken cancellationToken)
    {
        Engine before = Engine;
        TimeSpan pause = await SwitchEngineAsync(engine, cancellationToken).ConfigureAwait(false);
        return new EngineSwitch(before, Engine, pause.TotalMilliseconds, DateTime.UtcNow);
    }

    async Task<MachineExit?> IMachine.WaitForExitAsync(CancellationToken cancellationToken) =>
        await WaitForExitAsync(cancellationToken).ConfigureAwait(false);

    async Task<Stream> IMachine.ConnectAsync(uint port, CancellationToken cancellationToken) =>
        await ConnectAsync(port, cancellationToken).ConfigureAwait(false);
}
