namespace Strata.Core.Execution;

/// <summary>What a vCPU's thread tells the machine that the vCPU belongs to, and asks of it. Called on that thread.</summary>
public interface IVcpuHost
{
    /// <summary>The guest keeps count of the time that the host took from its processor.</summary>
    bool CountsStealTime { get; }

    /// <summary>Adds to that count.</summary>
    void AddStealTime(ulong nanoseconds);

    /// <summary>The processor stood still for long while time went on.</summary>
    void OnStoodStill();

    /// <summary>
    /// The vCPU stopped with <see cref="VcpuStop.Shutdown"/>. It stands still from here on, until somebody pauses it and resumes it in
    /// another state, or stops it.
    /// </summary>
    void OnShutdown();

    /// <summary>The monitor failed while it ran the vCPU; the thread ends.</summary>
    void OnError(Exception error);
}
