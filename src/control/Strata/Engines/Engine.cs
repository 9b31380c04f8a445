using System.Text.Json.Serialization;
using Strata.Engines;

namespace Strata;

/// <summary>How guest code is executed: an engine by its name, as users write it.</summary>
/// <param name="Name">Lower case. That there is such an engine is checked where a machine is to run on it.</param>
[JsonConverter(typeof(EngineJsonConverter))]
public sealed record Engine(string Name)
{
    /// <summary>The fastest on this host, by measurement: see <see cref="EngineProbe"/>.</summary>
    public static Engine Auto { get; } = new("auto");

    /// <summary>The portable reference.</summary>
    public static Engine Interpreter { get; } = new("interpreter");

    /// <summary>Binary translation; needs an x64 Linux host.</summary>
    public static Engine Translator { get; } = new("translator");

    /// <summary>
    /// Programs that compute on the CPU itself, in processes without privilege, and translation for the rest; needs an x64 Linux host with
    /// system-call filters. To be asked for by name.
    /// </summary>
    public static Engine Direct { get; } = new("direct");

    /// <summary>The CPU's own virtualization; needs a usable /dev/kvm.</summary>
    public static Engine Kvm { get; } = new("kvm");

    public override string ToString() => Name;
}
