using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>Descriptor tables, page tables and the starting state.</summary>
public sealed unsafe partial class SystemMachine
{
    /// <summary>Access byte and flags of a descriptor, as in its bits 40..47 and 52..55.</summary>
    public const uint CodeAccess = 0x9B;
    public const uint DataAccess = 0x93;
    public const uint Flags32 = 0xC;
    public const uint Flags64 = 0xA;
    public const uint Flags16 = 0;

    private const ulong Present = 1;
    private const ulong Writable = 2;
    private const ulong User = 4;

    private bool IsLong => _mode is GuestMode.Long or GuestMode.Compatibility;

    /// <summary>Writes an 8-byte segment descriptor. Intel SDM Vol. 3A, figure "Segment Descriptor".</summary>
    /// <param name="limit">20 bits, in the unit that the G flag says.</param>
    public void SetDescriptor(ushort selector, uint address, uint limit, uint access, uint flags)
    {
        Quad(Gdt + (selector & 0xFFF8UL)) = (limit & 0xFFFF) | ((ulong)(address & 0xFFFFFF) << 16) | ((ulong)access << 40)
            | ((ulong)(limit >> 16) << 48) | ((ulong)flags << 52) | ((ulong)(address >> 24) << 56);
        Quad(Gdt + (selector & 0xFFF8UL) + 8) = IsLong && (access & 0x10) == 0 ? 0 : Quad(Gdt + (selector & 0xFFF8UL) + 8);
    }

    /// <summary>Writes an IDT gate of the starting mode.</summary>
    /// <param name="type">Low nibble of the access byte: E interrupt gate, F trap gate, 5 task gate, 6 and 7 the 16-bit gates.</param>
    public void SetGate(int vector, ulong handler, ushort selector, uint type = 0xE, uint dpl = 0, bool present = true, uint ist = 0)
    {
        ulong raw = GateImage(handler, selector, type, dpl, present, ist);
        ulong at = Idt + ((ulong)vector * (IsLong ? 16UL : 8UL));
        Quad(at) = raw;
        if (IsLong)
        {
            Quad(at + 8) = handler >> 32;
        }
    }

    /// <summary>Writes a call gate or task gate into the GDT.</summary>
    public void SetCallGate(
        ushort selector, ulong target, ushort code, uint parameters = 0, uint dpl = 3, uint type = 0xC, bool present = true)
    {
        Quad(Gdt + (selector & 0xFFF8UL)) = GateImage(target, code, type, dpl, present, parameters);
        if (IsLong)
        {
            Quad(Gdt + (selector & 0xFFF8UL) + 8) = target >> 32;
        }
    }

    /// <summary>The entry that maps the 4 KiB page of an address below 2 MiB; 8 bytes, or 4 with 32-bit paging.</summary>
    public ulong PteAddress(ulong va) => Tables + 0x3000 + ((va >> 12) * (_paging == GuestPaging.ThirtyTwoBit ? 4UL : 8UL));

    /// <summary>Sets and clears bits in the 4 KiB entry of an address.</summary>
    public void ChangePte(ulong va, ulong set, ulong clear)
    {
        if (_paging == GuestPaging.ThirtyTwoBit)
        {
            Dword(PteAddress(va)) = (uint)((Dword(PteAddress(va)) & ~clear) | set);
        }
        else
        {
            Quad(PteAddress(va)) = (Quad(PteAddress(va)) & ~clear) | set;
        }
    }

    /// <summary>A segment register as loading it from the GDT leaves it.</summary>
    public SegmentState SegmentOf(ushort selector) => new Descriptor(Quad(Gdt + (selector & 0xFFF8UL))).ToSegment(selector);

    private static ulong GateImage(ulong target, ushort selector, uint type, uint dpl, bool present, uint low) =>
        (target & 0xFFFF) | ((ulong)selector << 16) | ((ulong)low << 32) | ((ulong)(type | (dpl << 5) | (present ? 0x80u : 0)) << 40)
        | (((target >> 16) & 0xFFFF) << 48);

    private void BuildDescriptors()
    {
        SetDescriptor(Selector.Code64, 0, 0xFFFFF, CodeAccess, Flags64);
        SetDescriptor(Selector.Data, 0, 0xFFFFF, DataAccess, Flags32);
        SetDescriptor(Selector.Code32, 0, 0xFFFFF, CodeAccess, Flags32);
        SetDescriptor(Selector.UserData, 0, 0xFFFFF, 0xF3, Flags32);
        SetDescriptor(Selector.UserCode64, 0, 0xFFFFF, 0xFB, Flags64);
        SetDescriptor(Selector.UserCode32, 0, 0xFFFFF, 0xFB, Flags32);
        SetDescriptor(Selector.Code16, 0, 0xFFFF, CodeAccess, Flags16);
        SetDescriptor(Selector.Data16, 0, 0xFFFF, DataAccess, Flags16);
        SetDescriptor(Selector.Tss, (uint)Tss, 0x7FF, 0x8B, 0);
        SetDescriptor(Selector.Ldt, (uint)Ldt, 0x3F, 0x82, 0);
        SetDescriptor(Selector.ConformingCode32, 0, 0xFFFFF, 0x9F, Flags32);
        SetDescriptor(Selector.Ring1Data, 0, 0xFFFFF, 0xB3, Flags32);
        SetDescriptor(Selector.Ring1Code32, 0, 0xFFFFF, 0xBB, Flags32);
        SetDescriptor(Selector.AbsentData, 0, 0xFFFFF, 0x13, Flags32);
        SetDescriptor(Selector.AbsentCode32, 0, 0xFFFFF, 0x1B, Flags32);
        SetDescriptor(Selector.ReadOnlyData, 0, 0xFFFFF, 0x91, Flags32);
        SetDescriptor(Selector.ExecuteOnlyCode32, 0, 0xFFFFF, 0x99, Flags32);
        SetDescriptor(Selector.ConformingCode64, 0, 0xFFFFF, 0x9F, Flags64);
        for (int vector = 0; vector < 256; vector++)
        {
            ulong handler = Handlers + ((ulong)vector * 16);
            *At(handler) = 0xF4;
            if (_mode == GuestMode.Real)
            {
                Dword((ulong)vector * 4) = (uint)handler;
            }
            else
            {
                SetGate(vector, handler, IsLong ? Selector.Code64 : Selector.Code32);
            }
        }

        if (IsLong)
        {
            Quad(Tss + 4) = InnerStack;
        }
        else
        {
            Dword(Tss + 4) = (uint)InnerStack;
            Dword(Tss + 8) = Selector.Data;
        }

        Word(Tss + 0x66) = 0xFFFF; // no I/O permission bitmap
    }

    private void BuildPageTables()
    {
        bool narrow = _paging == GuestPaging.ThirtyTwoBit;
        for (ulong va = 0; va < 0x200000; va += 0x1000)
        {
            ulong entry = va | Present | Writable | (va is >= UserCode and < Tables ? User : 0);
            Quad(PteAddress(va)) = entry;
        }

        const ulong pointer = Present | Writable | User;
        if (narrow)
        {
            Dword(Tables) = (uint)(Tables + 0x3000 | pointer);
        }
        else
        {
            Quad(Tables) = Tables + 0x1000 | (_paging == GuestPaging.Pae ? Present : pointer);
            Quad(Tables + 0x1000) = _paging == GuestPaging.Pae ? Tables + 0x3000 | pointer : Tables + 0x2000 | pointer;
            Quad(Tables + 0x2000) = Tables + 0x3000 | pointer;
        }
    }

    private void BuildState(int cpl)
    {
        State = X86CpuState.AtReset();
        State.Rflags = 2;
        State.Cr0 = Cr0.ET | Cr0.NE | Cr0.MP | Cr0.WP;
        State.Cr3 = Tables;
        State.Cr4 = Cr4.OSFXSR | Cr4.OSXMMEXCPT;
        State.Fcw = 0x37F;
        State.Ftw = 0xFFFF;
        State.Rip = cpl == 3 ? UserCode : Code;
        State.Gprs[Gpr.Rsp] = cpl == 3 ? UserStack : Stack;
        State.Gprs[Gpr.Rbx] = cpl == 3 ? UserData : Data;
        if (_mode == GuestMode.Real)
        {
            State.Cs = new SegmentState { Limit = 0xFFFF, Attributes = CodeAccess };
            State.Gprs[Gpr.Rbx] = 0x7000;
            State.Idtr.Limit = 0x3FF;
            return;
        }

        State.Cr0 |= Cr0.PE;
        State.Gdtr = new DescriptorTableRegister { Base = Gdt, Limit = 0x1FF };
        State.Idtr = new DescriptorTableRegister { Base = Idt, Limit = 0xFFF };
        State.Tr = SegmentOf(Selector.Tss);
        State.Ldtr = new SegmentState { Attributes = SegmentState.Unusable };
        BuildPagingState();
        BuildSegments(cpl);
    }

    private void BuildPagingState()
    {
        State.Cr0 |= _paging != GuestPaging.Off ? Cr0.PG : 0;
        State.Cr4 |= _paging is GuestPaging.Pae or GuestPaging.FourLevel ? Cr4.PAE : 0;
        State.EferMsr = IsLong ? Efer.LME | Efer.LMA | Efer.SCE | Efer.NXE : _paging == GuestPaging.Pae ? Efer.NXE : 0;
        for (int i = 0; i < 4 && _paging == GuestPaging.Pae; i++)
        {
            State.Pdptes[i] = Quad(Tables + ((ulong)i * 8));
        }
    }

    private void BuildSegments(int cpl)
    {
        if (_mode == GuestMode.Virtual8086)
        {
            State.Rflags |= RFlags.VM;
            for (SegmentIndex index = SegmentIndex.Es; index <= SegmentIndex.Gs; index++)
            {
                State.Segment(index) = new SegmentState
                {
                    Base = UserCode,
                    Selector = (ushort)(UserCode >> 4),
                    Limit = 0xFFFF,
                    Attributes = 0xF3,
                };
            }

            State.Rip = 0;
            State.Gprs[Gpr.Rsp] = UserStack - UserCode;
            State.Gprs[Gpr.Rbx] = 0x8000;
            return;
        }

        bool user = cpl == 3;
        State.Cs = SegmentOf(_mode switch
        {
            GuestMode.Long => user ? Selector.UserCode64 : Selector.Code64,
            GuestMode.Protected16 => Selector.Code16,
            _ => user ? Selector.UserCode32 : Selector.Code32,
        });
        for (SegmentIndex index = SegmentIndex.Es; index <= SegmentIndex.Gs; index++)
        {
            State.Segment(index) = index == SegmentIndex.Cs ? State.Cs
                : SegmentOf(_mode == GuestMode.Protected16 ? Selector.Data16 : user ? Selector.UserData : Selector.Data);
        }
    }
}
