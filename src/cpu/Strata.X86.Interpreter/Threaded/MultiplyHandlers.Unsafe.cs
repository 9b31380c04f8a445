using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>Threaded handlers of multiplications of registers, 32 and 64 bits wide: the loops of long arithmetic and hashes.</summary>
internal static unsafe class MultiplyHandlers
{
    /// <summary>MUL r64.</summary>
    public static void Unsigned64(VcpuContext* c, Op* op, long result, long aux)
    {
        ulong a = c->State.Gprs[Gpr.Rax];
        ulong b = *(ulong*)((byte*)c + op->Reg0);
        ulong high = HighUnsigned(a, b);
        result = (long)(a * b);
        aux = high != 0 ? long.MinValue : 0;
        c->State.Gprs[Gpr.Rax] = (ulong)result;
        c->State.Gprs[Gpr.Rdx] = high;
        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>IMUL r64, r64.</summary>
    public static void Signed64(VcpuContext* c, Op* op, long result, long aux)
    {
        long a = *(long*)((byte*)c + op->Reg0);
        long b = *(long*)((byte*)c + op->Reg1);
        result = a * b;
        aux = HighSigned(a, b) != result >> 63 ? long.MinValue : 0;
        *(long*)((byte*)c + op->Reg0) = result;
        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>IMUL r64, r64, imm.</summary>
    public static void Signed64Immediate(VcpuContext* c, Op* op, long result, long aux)
    {
        long a = *(long*)((byte*)c + op->Reg1);
        long b = (long)op->Imm;
        result = a * b;
        aux = HighSigned(a, b) != result >> 63 ? long.MinValue : 0;
        *(long*)((byte*)c + op->Reg0) = result;
        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>IMUL r32, r32.</summary>
    public static void Signed32(VcpuContext* c, Op* op, long result, long aux)
    {
        long product = (long)*(int*)((byte*)c + op->Reg0) * *(int*)((byte*)c + op->Reg1);
        result = (int)product;
        aux = result != product ? long.MinValue : 0;
        *(ulong*)((byte*)c + op->Reg0) = (uint)product;
        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>IMUL r32, r32, imm.</summary>
    public static void Signed32Immediate(VcpuContext* c, Op* op, long result, long aux)
    {
        long product = (long)*(int*)((byte*)c + op->Reg1) * (int)op->Imm;
        result = (int)product;
        aux = result != product ? long.MinValue : 0;
        *(ulong*)((byte*)c + op->Reg0) = (uint)product;
        op++;
        op->Handler(c, op, result, aux);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong HighUnsigned(ulong a, ulong b) => Bmi2.X64.IsSupported ? Bmi2.X64.MultiplyNoFlags(a, b) : SlowHigh(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long HighSigned(long a, long b) => (long)HighUnsigned((ulong)a, (ulong)b) - ((a >> 63) & b) - ((b >> 63) & a);

    /// <summary>Apart, so that the address of its local does not cost the handlers their tail calls.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong SlowHigh(ulong a, ulong b) => Math.BigMul(a, b, out _);
}
