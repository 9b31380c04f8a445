using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>
/// The part of the block cache that handlers see: a direct-mapped table from linear address to block, behind <c>Scratch0</c>,
/// and the request to link a branch with its target. Empty slots hold a block that matches nothing, so that a look-up needs
/// no null check. Entries need no flush: a look-up compares address, mode and the page behind the execute tag.
/// </summary>
internal static unsafe class JumpCache
{
    private const int Bits = 14;
    private const ulong Mask = (1UL << Bits) - 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Block** Slot(VcpuContext* c, ulong linear) =>
        &((JumpCacheState*)c->Scratch0)->Slots[(linear ^ (linear >> Bits)) & Mask];

    /// <summary>Asks the dispatch loop to store the next block it finds in the op that led there.</summary>
    public static void RequestLink(VcpuContext* c, Op* op, bool taken)
    {
        JumpCacheState* state = (JumpCacheState*)c->Scratch0;
        state->LinkOp = op;
        state->LinkTaken = taken ? 1 : 0;
    }

    public static JumpCacheState* Create()
    {
        // SAFETY: freed by Free; Slots lies behind the header in the same allocation.
        nuint size = (nuint)sizeof(JumpCacheState) + ((nuint)(Mask + 1) * (nuint)sizeof(Block*));
        JumpCacheState* state = (JumpCacheState*)NativeMemory.AllocZeroed(size);
        state->Slots = (Block**)(state + 1);
        state->Nothing.Linear = ulong.MaxValue;
        Clear(state);
        return state;
    }

    public static void Clear(JumpCacheState* state)
    {
        state->LinkOp = null;
        for (ulong i = 0; i <= Mask; i++)
        {
            state->Slots[i] = &state->Nothing;
        }
    }

    public static void Free(JumpCacheState* state) => NativeMemory.Free(state);
}

/// <summary>What <c>VcpuContext.Scratch0</c> points to while the interpreter owns the context.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct JumpCacheState
{
    public Block** Slots;

    /// <summary>Branch op to be linked, or null.</summary>
    public Op* LinkOp;
    public int LinkTaken;

    /// <summary>The block of empty slots.</summary>
    public Block Nothing;
}
