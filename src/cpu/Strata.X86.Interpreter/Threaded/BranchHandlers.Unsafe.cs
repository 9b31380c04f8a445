using System.Runtime.CompilerServices;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>
/// Threaded handlers that end a block. Where the successor is known, valid and affordable they jump straight into it; otherwise
/// they leave the chain with State.Rip set and, if the link can be made, the op in <c>Scratch0</c>'s link slot.
/// </summary>
internal static unsafe class BranchHandlers
{
    /// <summary>End of a block that has no branch: continues with the next address.</summary>
    public static void FallThrough(VcpuContext* c, Op* op, long result, long aux)
    {
        Block* next = op->Fall;
        if (next != null && (c->Budget -= next->Count) >= 0)
        {
            op = next->Ops;
            op->Handler(c, op, result, aux);
            return;
        }

        MissFall(c, op, result, aux);
    }

    public static void Jump(VcpuContext* c, Op* op, long result, long aux)
    {
        Block* next = op->Taken;
        if (next != null && (c->Budget -= next->Count) >= 0)
        {
            op = next->Ops;
            op->Handler(c, op, result, aux);
            return;
        }

        MissTaken(c, op, result, aux);
    }

    public static void JumpIf<TCondition>(VcpuContext* c, Op* op, long result, long aux)
        where TCondition : ICondition
    {
        if (TCondition.Holds(result, aux))
        {
            Block* next = op->Taken;
            if (next != null && (c->Budget -= next->Count) >= 0)
            {
                op = next->Ops;
                op->Handler(c, op, result, aux);
                return;
            }

            MissTaken(c, op, result, aux);
        }
        else
        {
            Block* next = op->Fall;
            if (next != null && (c->Budget -= next->Count) >= 0)
            {
                op = next->Ops;
                op->Handler(c, op, result, aux);
                return;
            }

            MissFall(c, op, result, aux);
        }
    }

    /// <summary>CMP or TEST of two registers and the conditional jump behind it.</summary>
    public static void CompareRegisterJump<TOperation, TWidth, TCondition>(VcpuContext* c, Op* op, long result, long aux)
        where TOperation : IAluOperation
        where TWidth : IWidth
        where TCondition : ICondition
    {
        ulong a = Access.Register<TWidth>(c, op->Reg0);
        ulong b = Access.Register<TWidth>(c, op->Reg1);
        ulong r = TOperation.Apply(a, b, aux);
        result = Access.SignExtend<TWidth>(r);
        aux = TOperation.Aux(a, b, r, TWidth.Size * 8);
        op++;
        if (TCondition.Holds(result, aux))
        {
            Block* next = op->Taken;
            if (next != null && (c->Budget -= next->Count) >= 0)
            {
                op = next->Ops;
                op->Handler(c, op, result, aux);
                return;
            }

            MissTaken(c, op, result, aux);
        }
        else
        {
            Block* next = op->Fall;
            if (next != null && (c->Budget -= next->Count) >= 0)
            {
                op = next->Ops;
                op->Handler(c, op, result, aux);
                return;
            }

            MissFall(c, op, result, aux);
        }
    }

    /// <summary>CMP or TEST of a register with an immediate and the conditional jump behind it.</summary>
    public static void CompareImmediateJump<TOperation, TWidth, TCondition>(VcpuContext* c, Op* op, long result, long aux)
        where TOperation : IAluOperation
        where TWidth : IWidth
        where TCondition : ICondition
    {
        ulong a = Access.Register<TWidth>(c, op->Reg0);
        ulong b = op->Imm;
        ulong r = TOperation.Apply(a, b, aux);
        result = Access.SignExtend<TWidth>(r);
        aux = TOperation.Aux(a, b, r, TWidth.Size * 8);
        op++;
        if (TCondition.Holds(result, aux))
        {
            Block* next = op->Taken;
            if (next != null && (c->Budget -= next->Count) >= 0)
            {
                op = next->Ops;
                op->Handler(c, op, result, aux);
                return;
            }

            MissTaken(c, op, result, aux);
        }
        else
        {
            Block* next = op->Fall;
            if (next != null && (c->Budget -= next->Count) >= 0)
            {
                op = next->Ops;
                op->Handler(c, op, result, aux);
                return;
            }

            MissFall(c, op, result, aux);
        }
    }

    /// <summary>CALL rel32 in 64-bit mode.</summary>
    public static void Call(VcpuContext* c, Op* op, long result, long aux)
    {
        if (!Push(c, op, op->NextRip))
        {
            if (c->PendingException == 0)
            {
                c->State.Rip = op->Imm;
            }

            Access.Leave(c, result, aux);
            return;
        }

        Block* next = op->Taken;
        if (next != null && (c->Budget -= next->Count) >= 0)
        {
            op = next->Ops;
            op->Handler(c, op, result, aux);
            return;
        }

        MissTaken(c, op, result, aux);
    }

    /// <summary>JMP r64.</summary>
    public static void JumpRegister(VcpuContext* c, Op* op, long result, long aux)
    {
        ulong target = *(ulong*)((byte*)c + op->Reg0);
        if (!IsCanonical(target))
        {
            RefuseTarget(c, op, result, aux);
            return;
        }

        LookUp(c, (Op*)target, result, aux);
    }

    /// <summary>JMP m64.</summary>
    public static void JumpMemory<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        byte* at = Access.Read<Qword64>(c, op, TAddress.Compute(c, op, 8, AccessKind.Read));
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        ulong target = *(ulong*)at;
        if (!IsCanonical(target))
        {
            RefuseTarget(c, op, result, aux);
            return;
        }

        LookUp(c, (Op*)target, result, aux);
    }

    /// <summary>CALL r64.</summary>
    public static void CallRegister(VcpuContext* c, Op* op, long result, long aux)
    {
        ulong target = *(ulong*)((byte*)c + op->Reg0);
        if (!IsCanonical(target))
        {
            RefuseTarget(c, op, result, aux);
            return;
        }

        if (!Push(c, op, op->NextRip))
        {
            if (c->PendingException == 0)
            {
                c->State.Rip = target;
            }

            Access.Leave(c, result, aux);
            return;
        }

        LookUp(c, (Op*)target, result, aux);
    }

    /// <summary>CALL m64.</summary>
    public static void CallMemory<TAddress>(VcpuContext* c, Op* op, long result, long aux)
        where TAddress : IAddress
    {
        byte* at = Access.Read<Qword64>(c, op, TAddress.Compute(c, op, 8, AccessKind.Read));
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        ulong target = *(ulong*)at;
        if (!IsCanonical(target))
        {
            RefuseTarget(c, op, result, aux);
            return;
        }

        if (!Push(c, op, op->NextRip))
        {
            if (c->PendingException == 0)
            {
                c->State.Rip = target;
            }

            Access.Leave(c, result, aux);
            return;
        }

        LookUp(c, (Op*)target, result, aux);
    }

    /// <summary>RET and RET imm16 in 64-bit mode; Imm is zero for the former.</summary>
    public static void Return(VcpuContext* c, Op* op, long result, long aux)
    {
        ulong rsp = c->State.Gprs[Gpr.Rsp];
        byte* at = Access.Read<Qword64>(c, op, rsp);
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        ulong target = *(ulong*)at;
        if (!IsCanonical(target))
        {
            RefuseTarget(c, op, result, aux);
            return;
        }

        c->State.Gprs[Gpr.Rsp] = rsp + 8 + op->Imm;
        LookUp(c, (Op*)target, result, aux);
    }

    /// <summary>PUSH r64.</summary>
    public static void PushRegister(VcpuContext* c, Op* op, long result, long aux)
    {
        if (!Push(c, op, *(ulong*)((byte*)c + op->Reg0)))
        {
            Access.Leave(c, result, aux);
            return;
        }

        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>PUSH imm in 64-bit mode.</summary>
    public static void PushImmediate(VcpuContext* c, Op* op, long result, long aux)
    {
        if (!Push(c, op, op->Imm))
        {
            Access.Leave(c, result, aux);
            return;
        }

        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>POP r64. POP RSP keeps the popped value.</summary>
    public static void PopRegister(VcpuContext* c, Op* op, long result, long aux)
    {
        ulong rsp = c->State.Gprs[Gpr.Rsp];
        byte* at = Access.Read<Qword64>(c, op, rsp);
        if (at == null)
        {
            Access.Leave(c, result, aux);
            return;
        }

        c->State.Gprs[Gpr.Rsp] = rsp + 8;
        *(ulong*)((byte*)c + op->Reg0) = *(ulong*)at;
        op++;
        op->Handler(c, op, result, aux);
    }

    /// <summary>Behind the single op of a step: goes back to the dispatch loop.</summary>
    public static void StopAfterOne(VcpuContext* c, Op* op, long result, long aux)
    {
        c->State.Rip = op->NextRip;
        Access.Leave(c, result, aux);
    }

    /// <summary>
    /// Continues at a target that is only known now, through the jump cache. <paramref name="target"/> is the RIP, passed as a pointer
    /// so that the arguments stay those of a handler.
    /// </summary>
    public static void LookUp(VcpuContext* c, Op* target, long result, long aux)
    {
        ulong rip = (ulong)target;
        ulong linear = rip + c->CodeBase;
        Block* block = *JumpCache.Slot(c, linear);
        TlbEntry* entry = Access.Entry(c, linear);
        if (block->Linear == linear
            && entry->Execute == (linear & Access.PageBase)
            && (byte*)(entry->Execute + (ulong)entry->Addend) == block->HostPage
            && block->Mode == c->Mode
            && block->HostPage2 == null
            && block->Rip == rip
            && (c->Budget -= block->Count) >= 0)
        {
            target = block->Ops;
            target->Handler(c, target, result, aux);
            return;
        }

        c->State.Rip = rip;
        Access.Leave(c, result, aux);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsCanonical(ulong target) => (ulong)((long)(target << 16) >> 16) == target;

    /// <summary>A near branch to a non-canonical address is #GP(0) on the branch itself.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void RefuseTarget(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.NotePosition(c, op);
        X86Cpu.Of(c).RaiseGeneralProtection();
        Access.Leave(c, result, aux);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Push(VcpuContext* c, Op* op, ulong value)
    {
        ulong rsp = c->State.Gprs[Gpr.Rsp] - 8;
        TlbEntry* entry = Access.Entry(c, rsp);
        if (((rsp + 7) & Access.PageBase) == entry->Write)
        {
            *(ulong*)(rsp + (ulong)entry->Addend) = value;
            c->State.Gprs[Gpr.Rsp] = rsp;
            return true;
        }

        return SlowPush(c, op, value);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool SlowPush(VcpuContext* c, Op* op, ulong value)
    {
        Access.NotePosition(c, op);
        return X86Cpu.Of(c).TryPush(value, 8) && c->EndBlock == 0;
    }

    /// <summary>The taken path has no link, or the budget is spent.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MissTaken(VcpuContext* c, Op* op, long result, long aux)
    {
        if (op->Taken == null && !CanLink(op, op->Imm))
        {
            LookUp(c, (Op*)op->Imm, result, aux);
            return;
        }

        c->State.Rip = op->Imm;
        Access.Leave(c, result, aux);
        if (op->Taken == null)
        {
            JumpCache.RequestLink(c, op, taken: true);
        }
    }

    /// <summary>The path of the next address has no link, or the budget is spent.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MissFall(VcpuContext* c, Op* op, long result, long aux)
    {
        if (op->Fall == null && !CanLink(op, op->NextRip))
        {
            LookUp(c, (Op*)op->NextRip, result, aux);
            return;
        }

        c->State.Rip = op->NextRip;
        Access.Leave(c, result, aux);
        if (op->Fall == null)
        {
            JumpCache.RequestLink(c, op, taken: false);
        }
    }

    /// <summary>Links stay inside a page: then they die with the page's blocks and need no translation check.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool CanLink(Op* op, ulong target) =>
        ((op->Rip ^ target) & Access.PageBase) == 0 && (op->Flags & OpFlags.CrossesPage) == 0;
}
