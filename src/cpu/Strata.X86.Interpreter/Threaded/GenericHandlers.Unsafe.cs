using System.Runtime.CompilerServices;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>Threaded handlers that run a semantic routine.</summary>
internal static unsafe class GenericHandlers
{
    /// <summary>In the middle of a block.</summary>
    public static void Continue(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.Leave(c, result, aux);
        if (!Run(c, op))
        {
            return;
        }

        op++;
        op->Handler(c, op, c->LazyResult, c->LazyAux);
    }

    /// <summary>At the end of a block: the routine has set State.Rip.</summary>
    public static void End(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.Leave(c, result, aux);
        Run(c, op);
    }

    /// <summary>An encoding that does not exist, or an instruction this processor does not have.</summary>
    public static void Undefined(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.Leave(c, result, aux);
        Access.NotePosition(c, op);
        X86Cpu.Of(c).Raise(ExceptionVector.InvalidOpcode);
    }

    /// <summary>The instruction runs past 15 bytes.</summary>
    public static void TooLong(VcpuContext* c, Op* op, long result, long aux)
    {
        Access.Leave(c, result, aux);
        Access.NotePosition(c, op);
        X86Cpu.Of(c).RaiseGeneralProtection();
    }

    public static void Nop(VcpuContext* c, Op* op, long result, long aux)
    {
        op++;
        op->Handler(c, op, result, aux);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool Run(VcpuContext* c, Op* op)
    {
        Access.NotePosition(c, op);
        op->Semantic(X86Cpu.Of(c), op);
        return (c->PendingException | (uint)c->EndBlock) == 0;
    }
}
