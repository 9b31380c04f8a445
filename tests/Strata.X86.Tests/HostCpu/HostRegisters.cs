using System.Runtime.InteropServices;

namespace Strata.X86.Tests.HostCpu;

/// <summary>
/// Registers that a <see cref="HostInstruction"/> loads before and stores after the instruction under test. The layout of
/// <see cref="Fpu"/> is that of FXSAVE64. Intel SDM Vol. 2, "FXSAVE—Save x87 FPU, MMX Technology, and SSE State".
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct HostRegisters
{
    public const int FpuOffset = 0;
    public const int GprOffset = 512;
    public const int FlagsOffset = GprOffset + (16 * 8);
    public const int UppersOffset = FlagsOffset + 16;

    /// <summary>FXSAVE64 image: FCW 0, FSW 2, abridged FTW 4, FOP 6, FIP 8, FDP 16, MXCSR 24, ST(i) 32+16i, XMMn 160+16n.</summary>
    public fixed byte Fpu[512];

    /// <summary>RAX..R15; the slot of RSP is neither loaded nor stored.</summary>
    public fixed ulong Gprs[16];

    /// <summary>Loaded with POPFQ: leave TF, IF, NT and AC as they are (0x202 and the arithmetic flags are safe).</summary>
    public ulong Rflags;
    private readonly ulong _padding;

    /// <summary>Upper halves of YMM0..YMM15; neither loaded nor stored where the host has no AVX.</summary>
    public fixed byte Uppers[256];
}
