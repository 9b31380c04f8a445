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
    private const int GroupShift = 6; // 64 bytes

    public void Emit(ref HostAssembler a)
    {
        a.StoreFrame(Frame.Value, Scratch2);
        a.StoreFrame(Frame.Kept, Rax);
        a.LoadConstant(Scratch2, JumpTable.Multiplier);
        a.Multiply64(Scratch2, Scratch1);
        a.LoadConstant(Rax, (ulong)second);
        a.Shift64(HostAssembler.ShiftRight, Scratch2, 64 - JumpTable.GroupBits);
        a.Shift64(HostAssembler.ShiftLeft, Scratch2, GroupShift);
        a.Op64(Add, Scratch2, Rax);
        Span<nint> found = stackalloc nint[JumpTable.Ways];
        for (int i = 0; i < JumpTable.Ways; i++)
        {
            a.Op64(Compare, Scratch1, Scratch2, 0);
            found[i] = (nint)a.JumpIf(HostCondition.Equal);
            a.Lea(Scratch2, Scratch2, JumpEntry.Size);
        }

        a.LoadFrame(Rax, Frame.Kept);
        a.LoadFrame(Scratch2, Frame.Value);
        a.Jump(exit);

        foreach (nint place in found)
        {
            HostAssembler.Patch((byte*)place, a.At);
        }

        a.LoadFrame(Rax, Frame.Bridge);
        a.Increment(Rax, Bridge.OffsetOf(nameof(Bridge.SecondFinds)));
        a.LoadFrame(Rax, Frame.Kept);
        a.JumpMemory(Scratch2, sizeof(ulong));
    }
}
