using Strata.X86.Registers;

namespace Strata.X86.Translator;

/// <summary>
/// Converts between the state's x87 registers and FNSAVE's image. Intel SDM Vol. 1, "Protected Mode x87 FPU State Image in Memory,
/// 32-Bit Format". Instruction and operand pointers are the host's while translated code runs and are left out: they read as zero.
/// </summary>
internal static unsafe class X87Image
{
    public const int Size = 108;

    private const int Status = 4;
    private const int Tags = 8;
    private const int Registers = 28;

    public static void Store(in X86CpuState state, byte* image)
    {
        new Span<byte>(image, Size).Clear();
        *(uint*)image = 0xFFFF0000 | state.Fcw;
        *(uint*)(image + Status) = 0xFFFF0000 | state.Fsw;
        *(uint*)(image + Tags) = 0xFFFF0000 | state.Ftw;
        int top = (state.Fsw >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            int physical = (top + i) & 7;
            *(ulong*)(image + Registers + (10 * i)) = state.FpuRegisters[2 * physical];
            *(ushort*)(image + Registers + (10 * i) + 8) = (ushort)state.FpuRegisters[(2 * physical) + 1];
        }
    }

    public static void Load(ref X86CpuState state, byte* image)
    {
        state.Fcw = *(ushort*)image;
        state.Fsw = *(ushort*)(image + Status);
        state.Ftw = *(ushort*)(image + Tags);
        state.Fop = 0;
        state.FpuIp = state.FpuDp = 0;
        state.FpuCs = state.FpuDs = 0;
        int top = (state.Fsw >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            int physical = (top + i) & 7;
            state.FpuRegisters[2 * physical] = *(ulong*)(image + Registers + (10 * i));
            state.FpuRegisters[(2 * physical) + 1] = *(ushort*)(image + Registers + (10 * i) + 8);
        }
    }
}
