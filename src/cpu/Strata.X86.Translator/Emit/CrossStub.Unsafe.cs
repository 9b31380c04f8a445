using System.Runtime.InteropServices;
using Strata.X86.Translator.Cache;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Emit;

/// <summary>
/// A direct branch to another page whose link is not one of now: there was none yet, the address space's translations have changed, or it
/// is another address space. It goes by the jump table; where that does not know the target, or the branch has come here often
/// enough, it leaves and is linked. So processes that share code and take turns do not link it at every turn.
/// <para>In: the target's linear address in Scratch1, the site in Scratch2; flags in the frame.</para>
/// </summary>
internal readonly unsafe ref struct CrossStub(Site* sites, byte* exit, byte* dispatch)
{
    private const int Add = 0x03;
    private const int StepGroup = 0xFF;
    private const int Decrement = 1;

    public void Emit(ref HostAssembler a)
    {
        a.StoreFrame(Frame.Value, Scratch2);
        a.StoreFrame(Frame.Kept, Rax);
        a.LoadConstant(Rax, (ulong)sites);
        a.Multiply(Scratch2, sizeof(Site));
        a.Op64(Add, Rax, Scratch2);
        a.Op32(StepGroup, Decrement, Rax, (int)Marshal.OffsetOf<Site>(nameof(Site.StackUndo)));
        a.LoadFrame(Rax, Frame.Kept);
        byte* due = a.JumpIf(HostCondition.Equal);
        byte* unknown = a.JumpThroughTable();

        HostAssembler.Patch(unknown, a.At);
        a.LoadFrame(Scratch2, Frame.Value);
        a.Jump(dispatch);

        HostAssembler.Patch(due, a.At);
        a.LoadFrame(Scratch2, Frame.Value);
        a.Jump(exit);
    }
}
