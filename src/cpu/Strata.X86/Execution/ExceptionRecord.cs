namespace Strata.X86.Execution;

/// <summary>What the processor last tried to deliver; it explains a triple fault.</summary>
/// <param name="Vector">Exception or interrupt vector.</param>
/// <param name="ErrorCode">Error code, or null if the vector has none.</param>
/// <param name="Rip">Address of the instruction.</param>
/// <param name="Cr2">CR2 at that moment.</param>
public readonly record struct ExceptionRecord(byte Vector, uint? ErrorCode, ulong Rip, ulong Cr2)
{
    /// <summary>RSP behind the delivery: the linear address of the frame in 64-bit mode, the error code first if there is one.</summary>
    public ulong Frame { get; init; }

    public override string ToString()
    {
        string error = ErrorCode is { } code ? $" error 0x{code:x}" : string.Empty;
        string address = Vector == (byte)ExceptionVector.PageFault ? $" address 0x{Cr2:x}" : string.Empty;
        return $"{(ExceptionVector)Vector} (vector {Vector}){error}{address} at RIP 0x{Rip:x}";
    }
}
