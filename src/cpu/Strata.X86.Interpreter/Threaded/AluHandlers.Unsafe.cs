using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Paging;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>
/// Threaded handlers of two-operand arithmetic. Each does its work and jumps to the handler of the next op: the call in tail
/// position compiles to a jump, and the lazy flags travel in registers. M is memory, R register, I immediate; destination first.
/// </summary>
internal static unsafe class AluHandlers<TOperation, TWidth>
    where TOperation : IAluOperation
    where TWidth : IWidth
{
    private static int Bits => TWidth.Size * 8;

    public static void RegisterRegister(VcpuContext* c, Op* op, long result, long aux)
    {
        ulong a = Access.Register<TWidth>(c, op->Reg0);
        ulong b = Access.Register<TWidth>(c, op->Reg1);
        ulong r = TOperation.Apply(a, b, aux);
        if (TOperation.Writes)
        {
            Access.SetRegister<TWidth>(c, op->Reg0, r);
        }

        op++;
        op->Handler(c, op, Access.SignExtend<TWidth>(r), TOperation.Aux(a, b, r, Bits));
    }

    public static void RegisterImmediate(VcpuContext* c, Op* op, long result, long aux)
    {
        ulong a = Access.Register<TWidth>(c, op->Reg0);
        ulong b = op->Imm;
        ulong r = TOperation.Apply(a, b, aux);
        if (TOperation.Writes)
        {
            Access.SetRegister<TWidth>(c, op->Reg0, r);
        }

        op++;
        op->Handler(c, op, Access.SignExtend<TWidth>(r), TOperation.Aux(a, b, r, Bits));
    }

    public static void RegisterMemory<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        byte* at = Access.Read<TWidth>(c, op, TAddress.Compute(c, op, TWidth.Size, AccessKind.Read));
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        ulong a = Access.Register<TWidth>(c, op->Reg0);
        ulong b = Access.Load<TWidth>(at);
        ulong r = TOperation.Apply(a, b, aux);
        if (TOperation.Writes)
        {
            Access.SetRegister<TWidth>(c, op->Reg0, r);
        }

        op++;
        op->Handler(c, op, Access.SignExtend<TWidth>(r), TOperation.Aux(a, b, r, Bits));
    }

    public static void MemoryRegister<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        ulong va = TAddress.Compute(c, op, TWidth.Size, TOperation.Writes ? AccessKind.Write : AccessKind.Read);
        byte* at = TOperation.Writes ? Access.Modify<TWidth>(c, op, va) : Access.Read<TWidth>(c, op, va);
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        ulong a = Access.Load<TWidth>(at);
        ulong b = Access.Register<TWidth>(c, op->Reg1);
        ulong r = TOperation.Apply(a, b, aux);
        if (TOperation.Writes)
        {
            Access.Store<TWidth>(at, r);
            if (at == Access.Bounce(c) && !Access.Commit(c, op, va, TWidth.Size))
            {
                Access.Leave(c, Access.SignExtend<TWidth>(r), TOperation.Aux(a, b, r, Bits));
                return;
            }
        }

        op++;
        op->Handler(c, op, Access.SignExtend<TWidth>(r), TOperation.Aux(a, b, r, Bits));
    }

    public static void MemoryImmediate<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        ulong va = TAddress.Compute(c, op, TWidth.Size, TOperation.Writes ? AccessKind.Write : AccessKind.Read);
        byte* at = TOperation.Writes ? Access.Modify<TWidth>(c, op, va) : Access.Read<TWidth>(c, op, va);
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        ulong a = Access.Load<TWidth>(at);
        ulong b = op->Imm;
        ulong r = TOperation.Apply(a, b, aux);
        if (TOperation.Writes)
        {
            Access.Store<TWidth>(at, r);
            if (at == Access.Bounce(c) && !Access.Commit(c, op, va, TWidth.Size))
            {
                Access.Leave(c, Access.SignExtend<TWidth>(r), TOperation.Aux(a, b, r, Bits));
                return;
            }
        }

        op++;
        op->Handler(c, op, Access.SignExtend<TWidth>(r), TOperation.Aux(a, b, r, Bits));
    }
}

/// <summary>Threaded handlers of one-operand arithmetic and of shifts by a constant.</summary>
internal static unsafe class UnaryHandlers<TOperation, TWidth>
    where TOperation : IUnaryOperation
    where TWidth : IWidth
{
    private static int Bits => TWidth.Size * 8;

    public static void Register(VcpuContext* c, Op* op, long result, long aux)
    {
        ulong a = Access.Register<TWidth>(c, op->Reg0);
        int immediate = (int)op->Imm;
        ulong r = TOperation.Apply(a, immediate, Bits);
        Access.SetRegister<TWidth>(c, op->Reg0, r);
        op++;
        op->Handler(
            c,
            op,
            TOperation.SetsFlags ? Access.SignExtend<TWidth>(r) : result,
            TOperation.Aux(a, r, immediate, Bits, aux));
    }

    public static void Memory<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        ulong va = TAddress.Compute(c, op, TWidth.Size, AccessKind.Write);
        byte* at = Access.Modify<TWidth>(c, op, va);
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        ulong a = Access.Load<TWidth>(at);
        int immediate = (int)op->Imm;
        ulong r = TOperation.Apply(a, immediate, Bits);
        Access.Store<TWidth>(at, r);
        long newResult = TOperation.SetsFlags ? Access.SignExtend<TWidth>(r) : result;
        long newAux = TOperation.Aux(a, r, immediate, Bits, aux);
        if (at == Access.Bounce(c) && !Access.Commit(c, op, va, TWidth.Size))
        {
            Access.Leave(c, newResult, newAux);
            return;
        }

        op++;
        op->Handler(c, op, newResult, newAux);
    }
}
