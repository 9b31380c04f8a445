namespace Strata.X86.Execution;

/// <summary>What the processor last tried to deliver; it explains a triple fault.</summary>
/// <param name="Vector">Exception or interrupt vector.</param>
/// <param name="ErrorCode">Error code, or null if the vector has none.</param>
/// <param name="Rip">Address of the instruction.</param>
/// <param name="Cr2">CR2 at that moment.</param>
public readonly record struct ExceptionRecord(byte Vector, uint? ErrorCode, ulong Rip, ulong Cr2)
{
    public override string ToString()
    {
        string error = ErrorCode is { } code ? $" error 0x{code:x}" : string.Empty;
        string address = Vector == (byte)ExceptionVector.PageFault ? $" address 0x{Cr2:x}" : string.Empty;
        return $"{(ExceptionVector)Vector} (vector {Vector}){error}{address} at RIP 0x{Rip:x}";
    }
}
