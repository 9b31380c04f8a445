namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>Operating mode that a <see cref="SystemMachine"/> starts in.</summary>
public enum GuestMode
{
    Real,
    Protected16,
    Protected32,
    Virtual8086,
    Compatibility,
    Long,
}
