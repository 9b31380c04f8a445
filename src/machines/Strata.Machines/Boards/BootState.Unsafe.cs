using Strata.Core.Bus;
using Strata.Machines.Boot;
using Strata.X86.Registers;

namespace Strata.Machines.Boards;

/// <summary>Turns a boot protocol's entry into processor state, with the GDT and page tables it needs in low memory.</summary>
internal static unsafe class BootState
{
    private const ulong GdtAddress = PcMemoryMap.BootGdtStart; // where no kernel is loaded
    private const ulong PageTables = 0x2000;
    private const ulong PageTablePool = 0x9000;
    private const ushort LinuxCodeSelector = 0x10; // __BOOT_CS of its boot protocol; __BOOT_DS is the next
    private const ushort MultibootCodeSelector = 0x08; // what GRUB has: kernels such as xv6 put a table of their own under it
    private const ulong GdtCode32 = 0x00CF_9B00_0000_FFFF;
    private const ulong GdtCode64 = 0x00AF_9B00_0000_FFFF;
    private const ulong GdtData = 0x00CF_9300_0000_FFFF;

    public static X86CpuState Create(AddressSpace memory, BootEntry entry)
    {
        bool wide = entry.Mode == EntryMode.Long64;
        ushort code = entry.ExpectsBios ? MultibootCodeSelector : LinuxCodeSelector;
        ushort data = (ushort)(code + 8);
        memory.Write(GdtAddress, AccessWidth.Qword, 0);
        memory.Write(GdtAddress + 8, AccessWidth.Qword, 0);
        memory.Write(GdtAddress + code, AccessWidth.Qword, wide ? GdtCode64 : GdtCode32);
        memory.Write(GdtAddress + data, AccessWidth.Qword, GdtData);

        X86CpuState state = X86CpuState.AtReset();
        state.Gdtr.Base = GdtAddress;
        state.Gdtr.Limit = (ushort)(data + 7);
        state.Idtr.Limit = 0;
        state.Cs = Segment(code, wide ? GdtCode64 : GdtCode32);
        state.Ss = state.Ds = state.Es = state.Fs = state.Gs = Segment(data, GdtData);
        state.Cr0 = Cr0.PE | Cr0.ET | Cr0.NE;
        state.Gprs[Gpr.Rdx] = 0;
        state.Gprs[Gpr.Rax] = entry.Rax;
        state.Gprs[Gpr.Rbx] = entry.Rbx;
        state.Gprs[Gpr.Rsi] = entry.Rsi;
        state.Rip = entry.Rip;
        if (wide)
        {
            WriteIdentityMap(memory);
            state.Cr3 = PageTables;
            state.Cr4 = Cr4.PAE;
            state.EferMsr = Efer.LME | Efer.LMA;
            state.Cr0 |= Cr0.PG;
        }

        return state;
    }

    private static SegmentState Segment(ushort selector, ulong descriptor) => new()
    {
        Selector = selector,
        Limit = uint.MaxValue,
        Attributes = (uint)(descriptor >> 40) & 0xF0FF,
    };

    /// <summary>The first 4 GiB by 2 MiB pages.</summary>
    private static void WriteIdentityMap(AddressSpace memory)
    {
        const ulong presentWritable = 3;
        const ulong large = 0x80;
        memory.Write(PageTables, AccessWidth.Qword, (PageTables + 0x1000) | presentWritable);
        for (ulong i = 0; i < 4; i++)
        {
            ulong directory = PageTablePool + (i * 0x1000);
            memory.Write(PageTables + 0x1000 + (i * 8), AccessWidth.Qword, directory | presentWritable);
            for (ulong j = 0; j < 512; j++)
            {
                memory.Write(directory + (j * 8), AccessWidth.Qword, (i << 30) | (j << 21) | large | presentWritable);
            }
        }
    }
}
