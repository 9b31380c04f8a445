using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Paging;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>Threaded handlers of data movement; none touches the flags.</summary>
internal static unsafe class MoveHandlers<TWidth>
    where TWidth : IWidth
{
    public static void RegisterRegister(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.SetRegister<TWidth>(c, op->Reg0, Access.Register<TWidth>(c, op->Reg1));
        op++;
        op->Handler(c, op, result, aux);
    }

    public static void RegisterImmediate(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.SetRegister<TWidth>(c, op->Reg0, op->Imm);
        op++;
        op->Handler(c, op, result, aux);
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

        Access.SetRegister<TWidth>(c, op->Reg0, Access.Load<TWidth>(at));
        op++;
        op->Handler(c, op, result, aux);
    }

    public static void MemoryRegister<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        ulong va = TAddress.Compute(c, op, TWidth.Size, AccessKind.Write);
        TlbEntry* entry = Access.Entry(c, va);
        ulong value = Access.Register<TWidth>(c, op->Reg1);
        if (((va + (ulong)TWidth.Size - 1) & Access.PageBase) == entry->Write)
        {
            Access.Store<TWidth>((byte*)(va + (ulong)entry->Addend), value);
        }
        else if (!Access.SlowWrite(c, op, va, TWidth.Size, value))
        {
            Access.Leave(c, result, aux);
            return;
        }

        op++;
        op->Handler(c, op, result, aux);
    }

    public static void MemoryImmediate<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        ulong va = TAddress.Compute(c, op, TWidth.Size, AccessKind.Write);
        TlbEntry* entry = Access.Entry(c, va);
        if (((va + (ulong)TWidth.Size - 1) & Access.PageBase) == entry->Write)
        {
            Access.Store<TWidth>((byte*)(va + (ulong)entry->Addend), op->Imm);
        }
        else if (!Access.SlowWrite(c, op, va, TWidth.Size, op->Imm))
        {
            Access.Leave(c, result, aux);
            return;
        }

        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>LEA with 64-bit addressing.</summary>
    public static void LoadAddress(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.SetRegister<TWidth>(c, op->Reg0, Flat64.Compute(c, op, 0, AccessKind.Read));
        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>LEA with 16- or 32-bit addressing: the offset wraps to the address size.</summary>
    public static void LoadNarrowAddress(VcpuContext* c, Op* op, long result, long aux)
    {
        ulong ea = Flat64.Compute(c, op, 0, AccessKind.Read);
        Access.SetRegister<TWidth>(c, op->Reg0, op->AddressSize == 4 ? (uint)ea : (ushort)ea);
        op++;
        op->Handler(c, op, result, aux);
    }
}

/// <summary>MOVZX, MOVSX and MOVSXD: from <typeparamref name="TSource"/> to the wider <typeparamref name="TWidth"/>.</summary>
internal static unsafe class ExtendHandlers<TWidth, TSource>
    where TWidth : IWidth
    where TSource : IWidth
{
    public static void ZeroRegister(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.SetRegister<TWidth>(c, op->Reg0, Access.Register<TSource>(c, op->Reg1));
        op++;
        op->Handler(c, op, result, aux);
    }

    public static void SignRegister(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.SetRegister<TWidth>(c, op->Reg0, (ulong)Access.SignExtend<TSource>(Access.Register<TSource>(c, op->Reg1)));
        op++;
        op->Handler(c, op, result, aux);
    }

    public static void ZeroMemory<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        byte* at = Access.Read<TSource>(c, op, TAddress.Compute(c, op, TSource.Size, AccessKind.Read));
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        Access.SetRegister<TWidth>(c, op->Reg0, Access.Load<TSource>(at));
        op++;
        op->Handler(c, op, result, aux);
    }

    public static void SignMemory<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        byte* at = Access.Read<TSource>(c, op, TAddress.Compute(c, op, TSource.Size, AccessKind.Read));
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        Access.SetRegister<TWidth>(c, op->Reg0, (ulong)Access.SignExtend<TSource>(Access.Load<TSource>(at)));
        op++;
        op->Handler(c, op, result, aux);
    }
}

/// <summary>SETcc and CMOVcc.</summary>
internal static unsafe class ConditionalHandlers<TCondition>
    where TCondition : ICondition
{
    public static void SetRegister(VcpuContext* c, Op* op, long result, long aux)
    {
        *((byte*)c + op->Reg0) = TCondition.Holds(result, aux) ? (byte)1 : (byte)0;
        op++;
        op->Handler(c, op, result, aux);
    }

    public static void SetMemory<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        ulong va = TAddress.Compute(c, op, 1, AccessKind.Write);
        if (!Access.SlowWrite(c, op, va, 1, TCondition.Holds(result, aux) ? 1UL : 0))
        {
            Access.Leave(c, result, aux);
            return;
        }

        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>A 32-bit CMOV clears the upper half even when the condition does not hold.</summary>
    public static void MoveRegister<TWidth>(VcpuContext* c, Op* op, long result, long aux)
        where TWidth : IWidth
    {
        ushort source = TCondition.Holds(result, aux) ? op->Reg1 : op->Reg0;
        Access.SetRegister<TWidth>(c, op->Reg0, Access.Register<TWidth>(c, source));
        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>The memory operand is read, and may fault, whatever the condition says.</summary>
    public static void MoveMemory<TWidth, TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TWidth : IWidth
        where TAddress : IAddress
    {
        byte* at = Access.Read<TWidth>(c, op, TAddress.Compute(c, op, TWidth.Size, AccessKind.Read));
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        ulong value = TCondition.Holds(result, aux) ? Access.Load<TWidth>(at) : Access.Register<TWidth>(c, op->Reg0);
        Access.SetRegister<TWidth>(c, op->Reg0, value);
        op++;
        op->Handler(c, op, result, aux);
    }
}
