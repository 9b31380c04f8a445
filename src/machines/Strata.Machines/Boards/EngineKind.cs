namespace Strata.Machines.Boards;

/// <summary>How guest code is executed.</summary>
public enum EngineKind
{
    /// <summary>Decoded blocks, portable C#: the reference.</summary>
    Interpreter,

    /// <summary>Binary translation; x64 Linux hosts.</summary>
    Translator,

    /// <summary>The CPU's own virtualization; hosts with a usable /dev/kvm.</summary>
    Kvm,
}
