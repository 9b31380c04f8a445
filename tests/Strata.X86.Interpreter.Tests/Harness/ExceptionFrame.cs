namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>What the processor pushed for an event. RSP and SS are zero where the frame has none.</summary>
public readonly record struct ExceptionFrame(uint? ErrorCode, ulong Rip, ushort Cs, ulong Rflags, ulong Rsp, ushort Ss);
