using Iced.Intel;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Accesses that share a TLB check. The first one checks what all of them access; the others take what it found from the frame. Where
/// that lies in two pages, the first one goes on in another translation of the block's rest, in which every access is checked by itself.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private HostOperand EmitSharedCheck(ref HostAssembler a, in DecodedInstruction decoded, bool keepScratch2, out byte* restart)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        ref readonly SharedCheck shared = ref decoded.Shared;
        int at = HomeOf(NumberOf(instruction.MemoryBase));
        int index = instruction.MemoryIndex == Register.None ? HostRegister.None : HomeOf(NumberOf(instruction.MemoryIndex));
        int scale = instruction.MemoryIndexScale switch { 1 => 0, 2 => 1, 4 => 2, _ => 3 };
        int displacement = (int)instruction.MemoryDisplacement64;
        if (shared.Opens)
        {
            PreserveFlags(ref a, decoded);
            restart = a.At;
            bool isPlain = !Is32 || (index < 0 && Math.Abs(shared.Low) < PageSize);
            a.Lea(Scratch1, at, index, scale, shared.Low, isPlain);
            if (Is32 && isPlain)
            {
                EmitUnlessNarrow(ref a, instruction.IP);
            }

            EmitCheckOfAll(ref a, decoded, restart);
            if (!isPlain)
            {
                EmitWidening(ref a, at, index, scale, shared.Low);
            }

            a.StoreFrame(shared.Slot, Scratch2);
        }
        else
        {
            restart = a.At;
        }

        int found = shared.Opens || (!keepScratch2 && index < 0) ? Scratch2 : Scratch1;
        if (!shared.Opens)
        {
            a.LoadFrame(found, shared.Slot);
        }

        // By LEA, which leaves the host's flags alone.
        if (index >= 0)
        {
            a.Lea(Scratch1, found, index, scale, 0, wide: true);
            found = Scratch1;
        }

        if (!keepScratch2)
        {
            return new HostOperand(at, found, displacement);
        }

        a.Lea(Scratch1, found, at, 0, displacement, wide: true); // the instruction may find its registers changed, too
        return new HostOperand(Scratch1);
    }

    /// <summary>Checks what starts at the address in Scratch1; what it finds goes to Scratch2.</summary>
    private void EmitCheckOfAll(ref HostAssembler a, in DecodedInstruction decoded, byte* restart)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        ref readonly SharedCheck shared = ref decoded.Shared;
        bool write = decoded.Traits.WritesMemory;
        int tag = write ? WriteTag : ReadTag;
        Site site = AccessSite(decoded, shared.Size, write, instruction.MemorySegment == Register.SS, restart) with
        {
            First = (byte)((int)instruction.MemoryDisplacement64 - shared.Low),
            FirstSize = (byte)instruction.MemorySize.GetSize(),
        };
        a.ShiftedCopy(Scratch2, Scratch1, 7);
        a.And32(Scratch2, OffsetMask);
        a.Op64Indexed(0x2B, Scratch1, HostRegister.Tlb, Scratch2, tag);
        a.Immediate32(CompareGroup, Scratch1, PageSize - shared.Size, wide: true);
        int apart = AddSite(new Site { Kind = SiteKind.Apart, Rip = instruction.IP });
        _cold.Add(
            new ColdPath((nint)a.JumpIf(HostCondition.Above), AddSite(site)) { TagOffset = tag, SharedSize = shared.Size, Apart = apart });
        a.Op64Indexed(0x8B, Scratch2, HostRegister.Tlb, Scratch2, AddendField);
    }

    /// <summary>
    /// On with single checks if the address in Scratch1 has more than 32 bits: it wraps, or 64-bit code has left something in its register.
    /// </summary>
    private void EmitUnlessNarrow(ref HostAssembler a, ulong rip)
    {
        const int compare = 0x39;
        Wide(ref a, 0x89, Scratch1, Scratch2, wide: false);
        Wide(ref a, compare, Scratch2, Scratch1, wide: true);
        byte* place = a.JumpIf(HostCondition.NotEqual);
        _apart.Add(((nint)place, AddSite(new Site { Kind = SiteKind.Apart, Rip = rip, Resume = place })));
    }

    /// <summary>
    /// Makes what leads from an address of 32 bits to the host's lead there from the sum of whole registers, which is what all accesses
    /// add it to: whether the address wraps, and what is in the registers' upper halves, is the same for all of them.
    /// </summary>
    private static void EmitWidening(ref HostAssembler a, int at, int index, int scale, int displacement)
    {
        const int add = 0x01;
        const int subtract = 0x29;
        a.Lea(Scratch1, at, index, scale, displacement, wide: false);
        Wide(ref a, add, Scratch1, Scratch2, wide: true);
        a.Lea(Scratch1, at, index, scale, displacement, wide: true);
        Wide(ref a, subtract, Scratch1, Scratch2, wide: true);
    }

    /// <summary>
    /// Behind a failed check of several accesses, with the address in Scratch1: on with single checks if they are not in one page.
    /// </summary>
    private void EmitUnlessOnePage(ref HostAssembler a, in ColdPath cold)
    {
        a.Move(Scratch2, Scratch1);
        a.And32(Scratch2, PageSize - 1);
        a.Immediate32(CompareGroup, Scratch2, PageSize - cold.SharedSize, wide: false);
        byte* place = a.JumpIf(HostCondition.Above);
        cache.SiteAt((uint)cold.Apart)->Resume = place;
        _apart.Add(((nint)place, cold.Apart));
    }
}
