using Strata.Engines;
using Strata.Networking.Nat;

namespace Strata.Control;

/// <summary>A running machine as `strata list` shows it.</summary>
public sealed record MachineDescription
{
    public required string Name { get; init; }

    /// <summary>What was started: an image's name, or the kernel's file.</summary>
    public required string Image { get; init; }

    /// <summary>The engine that runs it now; null if the machine does not answer.</summary>
    public Engine? Engine { get; init; }

    public int Processors { get; init; }

    /// <summary>Bytes of RAM.</summary>
    public ulong Memory { get; init; }

    /// <summary>When it was started (UTC); null if the machine does not answer.</summary>
    public DateTime? Started { get; init; }

    /// <summary>Seconds since it was started.</summary>
    public double UptimeSeconds { get; init; }

    /// <summary>The host's process that runs it.</summary>
    public int ProcessId { get; init; }

    /// <summary>Whether the guest sleeps; see <see cref="VirtualMachine.IsAsleep"/>.</summary>
    public bool IsAsleep { get; init; }

    /// <summary>Ports of the host that lead into it.</summary>
    public IReadOnlyList<MachineForward> Forwards { get; init; } = [];

    /// <summary>False for a machine that holds its name but did not answer in time: it is starting, or its process is stopped.</summary>
    public bool Answers { get; init; } = true;
}

/// <summary>A port of the host that leads into a machine.</summary>
/// <param name="HostAddress">Where the host listens.</param>
/// <param name="HostPort">1..65535: the number that the host chose, where none was asked for.</param>
public sealed record MachineForward(TransportProtocol Protocol, string HostAddress, int HostPort, int GuestPort)
{
    public static MachineForward Of(ForwardedPort port)
    {
        ArgumentNullException.ThrowIfNull(port);
        return new MachineForward(
            port.Forward.Protocol, port.HostEndPoint.Address.ToString(), port.HostEndPoint.Port, port.Forward.GuestPort);
    }

    /// <summary>As `strata run --forward` takes it.</summary>
    public override string ToString()
    {
        string address = HostAddress.Contains(':', StringComparison.Ordinal) ? $"[{HostAddress}]" : HostAddress;
        return $"{(Protocol == TransportProtocol.Udp ? "udp:" : "")}{address}:{HostPort}:{GuestPort}";
    }
}

/// <summary>A machine's move from one engine to another.</summary>
/// <param name="At">UTC.</param>
/// <param name="PauseMilliseconds">How long its processors stood still.</param>
public sealed record EngineSwitch(Engine From, Engine To, double PauseMilliseconds, DateTime At);

/// <summary>Which engine runs a machine, and why.</summary>
public sealed record EngineReport
{
    public required Engine Engine { get; init; }

    /// <summary>The engine that the machine was started on.</summary>
    public required Engine InitialEngine { get; init; }

    /// <summary>A sentence that says why it was that one, with the measurement.</summary>
    public required string Reason { get; init; }

    /// <summary>The last moves since then, oldest first.</summary>
    public IReadOnlyList<EngineSwitch> Switches { get; init; } = [];

    /// <summary>What is known of this host's engines; empty if nothing was measured.</summary>
    public IReadOnlyList<EngineFigures> Measurements { get; init; } = [];

    /// <summary>What each processor's engine has done, as lines for people.</summary>
    public IReadOnlyList<string> Counters { get; init; } = [];
}

/// <summary>What the probe measured of one engine; see <see cref="Engines.EngineMeasurement"/> for the meaning.</summary>
public sealed record EngineFigures
{
    public required Engine Engine { get; init; }

    public double? KernelMips { get; init; }

    public double? UserMips { get; init; }

    public double? ExitMicroseconds { get; init; }

    public double? FaultMicroseconds { get; init; }

    /// <summary>Null where it cannot run, is defective, or was ruled out by its first figure.</summary>
    public double? MixSeconds { get; init; }

    /// <summary>Why it cannot run here.</summary>
    public string? Unavailable { get; init; }

    /// <summary>What it does wrong here.</summary>
    public string? Defect { get; init; }

    internal static EngineFigures Of(EngineMeasurement measurement)
    {
        bool ran = measurement.Unavailable is null;
        return new EngineFigures
        {
            Engine = measurement.Engine,
            KernelMips = ran ? measurement.KernelMips : null,
            UserMips = ran && measurement.UserMips > 0 ? measurement.UserMips : null,
            ExitMicroseconds = ran && measurement.ExitMicroseconds > 0 ? measurement.ExitMicroseconds : null,
            FaultMicroseconds = ran && measurement.FaultMicroseconds > 0 ? measurement.FaultMicroseconds : null,
            MixSeconds = double.IsFinite(measurement.MixSeconds) ? measurement.MixSeconds : null,
            Unavailable = measurement.Unavailable,
            Defect = measurement.Defect,
        };
    }
}

/// <summary>The inside of a running machine; figures are approximate, as it goes on meanwhile.</summary>
public sealed record MachineInspection
{
    public required MachineDescription Machine { get; init; }

    public required BoardInspection Board { get; init; }
}
