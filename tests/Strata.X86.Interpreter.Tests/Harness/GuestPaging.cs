namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>Paging structures that a <see cref="SystemMachine"/> starts with.</summary>
public enum GuestPaging
{
    Off,
    ThirtyTwoBit,
    Pae,
    FourLevel,
}
