using Strata.X86.Translator.Cache;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Emit;

/// <summary>
/// A dispatch that has not found its target in its place of the jump table: looks into the second table, or leaves.
/// <para>In: the tag in Scratch1, the site in Scratch2; flags in the frame.</para>
/// </summary>
internal readonly unsafe ref struct DispatchStub(JumpEntry* second, byte* exit)
{
    private const int Add = 0x03;
    private const int Compare = 0x3B;
    private const int PairShift = 5; // 32 bytes

    public void Emit(ref HostAssembler a)
    {
        a.StoreFrame(Frame.Value, Scratch2);
        a.StoreFrame(Frame.Kept, Rax);
        a.LoadConstant(Scratch2, JumpTable.Multiplier);
        a.Multiply64(Scratch2, Scratch1);
        a.LoadConstant(Rax, (ulong)second);
        a.Shift64(HostAssembler.ShiftRight, Scratch2, 64 - JumpTable.PairBits);
        a.Shift64(HostAssembler.ShiftLeft, Scratch2, PairShift);
        a.Op64(Add, Scratch2, Rax);
        a.Op64(Compare, Scratch1, Scratch2, 0);
        byte* first = a.JumpIf(HostCondition.Equal);
        a.Lea(Scratch2, Scratch2, JumpEntry.Size);
        a.Op64(Compare, Scratch1, Scratch2, 0);
        byte* other = a.JumpIf(HostCondition.Equal);
        a.LoadFrame(Rax, Frame.Kept);
        a.LoadFrame(Scratch2, Frame.Value);
        a.Jump(exit);

        HostAssembler.Patch(first, a.At);
        HostAssembler.Patch(other, a.At);
        a.LoadFrame(Rax, Frame.Bridge);
        a.Increment(Rax, Bridge.OffsetOf(nameof(Bridge.SecondFinds)));
        a.LoadFrame(Rax, Frame.Kept);
        a.JumpMemory(Scratch2, sizeof(ulong));
    }
}
