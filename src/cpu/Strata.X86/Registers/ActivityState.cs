namespace Strata.X86.Registers;

/// <summary>What a processor does between instructions.</summary>
public enum ActivityState : byte
{
    Running = 0,

    /// <summary>HLT: waits for an interrupt.</summary>
    Halted = 1,

    /// <summary>An application processor before its first start-up IPI, or after INIT.</summary>
    WaitForStartup = 2,

    /// <summary>Triple fault.</summary>
    Shutdown = 3,
}

/// <summary>Which instruction holds interrupts off until the next one has completed.</summary>
public enum InterruptShadow : byte
{
    None = 0,
    Sti = 1,
    MovSs = 2,
}
