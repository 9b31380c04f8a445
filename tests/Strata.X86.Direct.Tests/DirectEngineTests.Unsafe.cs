using Iced.Intel;
using Strata.Core.Memory;
using Strata.X86.Comparison;
using Strata.X86.Execution;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Direct.Tests;

/// <summary>User programs on the CPU itself: the same states as on the interpreter.</summary>
public sealed unsafe class DirectEngineTests
{
    private static readonly Dictionary<string, Action<Assembler>> Programs = new()
    {
        ["computing"] = c =>
        {
            Label loop = c.CreateLabel();
            c.mov(ecx, 1000);
            c.Label(ref loop);
            c.imul(rax, rcx);
            c.adc(rdx, rax);
            c.ror(rdx, 7);
            c.mov(__[UserGuest.Data + 0x100], rdx);
            c.xor(rax, __[UserGuest.Data + 0x100]);
            c.dec(ecx);
            c.jnz(loop);
            c.syscall();
        },
        ["vectors and x87"] = c =>
        {
            c.fld1();
            c.fldpi();
            c.fadd(st0, st1);
            c.movq(xmm3, rax);
            c.pshufd(xmm4, xmm3, 0x1B);
            c.cvtsi2sd(xmm5, rbx);
            c.sqrtsd(xmm6, xmm5);
            c.syscall();
        },
        ["division by zero"] = c =>
        {
            c.xor(ecx, ecx);
            c.div(ecx);
        },
        ["undefined"] = c => c.ud2(),
        ["breakpoint"] = c => c.int3(),
        ["breakpoint of two bytes"] = c => c.db(0xCD, 0x03),
        ["interrupt"] = c =>
        {
            c.mov(eax, 20);
            c.@int(0x80);
        },
        ["interrupt of the kernel's"] = c => c.@int(0x40),
        ["icebp"] = c => c.db(0xF1),
        ["privileged"] = c => c.cli(),
        ["port"] = c => c.@out(0x80, al),
        ["read of nothing"] = c => c.mov(rax, __[UserGuest.Absent + 0x123]),
        ["write to a page for reading"] = c => c.mov(__byte_ptr[UserGuest.ReadOnly + 5], 1),
        ["execution of data"] = c => c.jmp(UserGuest.Data),
        ["read of the kernel"] = c =>
        {
            c.mov(rbx, UserGuest.Kernel + 0x1234);
            c.mov(al, __byte_ptr[rbx]);
        },
        ["no canonical address"] = c =>
        {
            c.mov(rbx, 0x8000_0000_0000);
            c.mov(al, __byte_ptr[rbx]);
        },
        ["vsyscall"] = c =>
        {
            c.mov(rbx, 0xFFFF_FFFF_FF60_0000);
            c.call(rbx);
        },
        ["processor identification"] = c =>
        {
            c.mov(eax, 1);
            c.xor(ecx, ecx);
            c.cpuid();
            c.syscall();
        },
        ["segment bases"] = c =>
        {
            c.mov(rax, UserGuest.Data);
            c.wrfsbase(rax);
            c.mov(__byte_ptr.fs[7], 0x55);
            c.wrgsbase(rsp);
            c.syscall();
        },
        ["segment registers"] = c =>
        {
            c.mov(eax, 0x2B);
            c.mov(ds, eax);
            c.mov(fs, eax);
            c.syscall();
        },
        ["single step"] = c =>
        {
            c.pushfq();
            c.or(__dword_ptr[rsp], 0x100);
            c.popfq();
            c.inc(rax);
            c.inc(rax);
        },
        ["alignment"] = c =>
        {
            c.pushfq();
            c.or(__dword_ptr[rsp], 0x4_0000);
            c.popfq();
            c.mov(eax, __dword_ptr[UserGuest.Data + 1]);
        },
        ["string across pages"] = c =>
        {
            c.mov(rdi, UserGuest.Data + 0x800);
            c.mov(ecx, 0x2000);
            c.mov(eax, 0x5A);
            c.cld();
            c.rep.stosb();
            c.syscall();
        },
        ["far jump to 32-bit code"] = c =>
        {
            c.push(0x23);
            c.push((int)UserGuest.Code + 0x20);
            c.db(0x48, 0xCB);
            while (c.Instructions.Count < 0x30)
            {
                c.inc(eax); // INC EAX here, FFC0, is two bytes in either mode
            }

            c.hlt();
        },
    };

    public static TheoryData<string> Names => [.. Programs.Keys];

    [DirectTheory]
    [MemberData(nameof(Names))]
    public void Run_Program_EndsAsOnTheInterpreter(string name)
    {
        using UserGuest reference = new((cpu, _) => new Interpreter.Interpreter(cpu));
        using Direct direct = new();

        X86CpuState expected = reference.Run(Programs[name]);
        X86CpuState actual = direct.Guest.Run(Programs[name]);

        actual.Fop = expected.Fop; // processors keep the last opcode for unmasked exceptions only, and the selectors not at all
        actual.FpuCs = expected.FpuCs;
        actual.FpuDs = expected.FpuDs;
        Assert.Empty(StateComparison.Compare(expected, actual, ignoredFlags: 0));
        Assert.True(reference.Ram.Slice(0x1F000, 0x1000).SequenceEqual(direct.Guest.Ram.Slice(0x1F000, 0x1000)), "the frame differs");
        Assert.True(reference.Ram.Slice(UserGuest.DataOffset, 0x4000).SequenceEqual(direct.Guest.Ram.Slice(UserGuest.DataOffset, 0x4000)));
        Assert.True(direct.Engine.Counters.Stubs == 1, "it has not run directly");
    }

    /// <summary>The kernel takes a page away, or another takes its place: the program must see it behind its system call.</summary>
    [DirectFact]
    public void Run_KernelChangesAPage_ProgramSeesTheOther()
    {
        using Direct direct = new();

        X86CpuState state = RunWithDataReplaced(direct, 0x58007);

        Assert.Equal(0x77UL, state.Gprs[Gpr.Rbx]);
        Assert.Equal((0x11, 0x22), (direct.Guest.Ram.Slice(UserGuest.DataOffset, 1)[0], direct.Guest.Ram.Slice(0x58000, 1)[0]));
    }

    /// <summary>
    /// A program writes, reads and writes its data; before it reads, the kernel writes to the page of RAM at 58000h and puts it there.
    /// </summary>
    /// <param name="entry">The table's entry then.</param>
    private static X86CpuState RunWithDataReplaced(Direct direct, ulong entry)
    {
        direct.Guest.Write((int)(UserGuest.Entry - UserGuest.Kernel), UserGuest.Entry, c =>
        {
            Label end = c.CreateLabel();
            c.cmp(eax, 1);
            c.jne(end);
            c.mov(rdx, UserGuest.Kernel + 0x58000);
            c.mov(__byte_ptr[rdx], 0x77);
            c.mov(rdx, UserGuest.EntryOf(UserGuest.Data));
            c.mov(rax, entry);
            c.mov(__[rdx], rax);
            c.invlpg(__[UserGuest.Data]);
            c.sysretq();
            c.Label(ref end);
            c.hlt();
        });

        return direct.Guest.Run(c =>
        {
            c.mov(__byte_ptr[UserGuest.Data], 0x11);
            c.mov(eax, 1);
            c.syscall();
            c.movzx(ebx, __byte_ptr[UserGuest.Data]);
            c.mov(__byte_ptr[UserGuest.Data], 0x22);
            c.mov(eax, 2);
            c.syscall();
        });
    }

    /// <summary>What the kernel has put where a program has asked for it is mapped before the program asks once more.</summary>
    [DirectFact]
    public void Run_KernelServesAFault_PageIsThereWithoutAnother()
    {
        const ulong server = UserGuest.Kernel + 0x8800;
        using Direct direct = new();
        direct.Guest.Write(0x9000 + (14 * 16), UserGuest.Kernel + 0x9000 + (14 * 16), c => c.jmp(server));
        direct.Guest.Write(0x8800, server, c =>
        {
            c.mov(rdx, UserGuest.Kernel + 0x58000);
            c.mov(__byte_ptr[rdx], 0x77);
            c.mov(rdx, UserGuest.EntryOf(UserGuest.Absent));
            c.mov(rax, 0x58067); // present, writable, user, accessed, dirty
            c.mov(__[rdx], rax);
            c.add(rsp, 8);
            c.iretq();
        });

        X86CpuState state = direct.Guest.Run(c =>
        {
            c.mov(__byte_ptr[UserGuest.Absent + 1], 0x11);
            c.movzx(ebx, __byte_ptr[UserGuest.Absent]);
            c.syscall();
        });

        Assert.Equal(0x77UL, state.Gprs[Gpr.Rbx]);
        Assert.Equal(0x11, direct.Guest.Ram.Slice(0x58001, 1)[0]);
        Assert.Equal(2, direct.Engine.Counters.EventsOf(DirectEvent.PageFault)); // the code, and the page
    }

    /// <summary>A page that has taken another's place, as behind a copy on write, needs no fault.</summary>
    [DirectFact]
    public void Run_KernelReplacesAPage_TheOtherIsThereWithoutAFault()
    {
        using Direct direct = new();

        X86CpuState state = RunWithDataReplaced(direct, 0x58067); // accessed and dirty already

        Assert.Equal(0x77UL, state.Gprs[Gpr.Rbx]);
        Assert.Equal((0x11, 0x22), (direct.Guest.Ram.Slice(UserGuest.DataOffset, 1)[0], direct.Guest.Ram.Slice(0x58000, 1)[0]));
        Assert.Equal(2, direct.Engine.Counters.EventsOf(DirectEvent.PageFault)); // the code, and the page that was there first
    }

    /// <summary>Another table with the same page for reading only, as behind a fork: what was mapped to write is narrowed.</summary>
    [DirectFact]
    public void Run_ReloadOfTheTable_NarrowsRights()
    {
        using Direct direct = new();
        direct.Guest.Write((int)(UserGuest.Entry - UserGuest.Kernel), UserGuest.Entry, c =>
        {
            c.mov(rdx, UserGuest.EntryOf(UserGuest.Data));
            c.and(__byte_ptr[rdx], 0xFD); // not writable
            c.mov(rax, cr3);
            c.mov(cr3, rax);
            c.sysretq();
        });

        X86CpuState state = direct.Guest.Run(c =>
        {
            c.mov(__byte_ptr[UserGuest.Data], 0x11);
            c.syscall();
            c.movzx(ebx, __byte_ptr[UserGuest.Data]);
            c.mov(__byte_ptr[UserGuest.Data], 0x22);
            c.ud2();
        });

        Assert.Equal((0x11UL, UserGuest.Data), (state.Gprs[Gpr.Rbx], state.Cr2));
        Assert.Equal(0x11, direct.Guest.Ram.Slice(UserGuest.DataOffset, 1)[0]);
    }

    /// <summary>
    /// A right that the table has lost stays until the flush, and no longer: also where the page has been given another one in between.
    /// </summary>
    [DirectFact]
    public void Run_RightsChangeBeforeTheFlush_AreTakenByTheFlush()
    {
        using Direct direct = new();
        direct.Guest.Write((int)(UserGuest.Entry - UserGuest.Kernel), UserGuest.Entry, c =>
        {
            Label flush = c.CreateLabel();
            c.cmp(eax, 1);
            c.jne(flush);
            c.mov(rdx, UserGuest.EntryOf(UserGuest.Data));
            c.mov(rax, (UserGuest.DataOffset | 0x65)); // present, user, accessed, dirty; executable, and not writable
            c.mov(__[rdx], rax);
            c.sysretq();
            c.Label(ref flush);
            c.mov(rax, cr3);
            c.mov(cr3, rax);
            c.sysretq();
        });

        X86CpuState state = direct.Guest.Run(c =>
        {
            c.mov(__byte_ptr[UserGuest.Data], 0xC3); // RET
            c.mov(eax, 1);
            c.syscall();
            c.mov(rsi, UserGuest.Data);
            c.call(rsi);
            c.mov(eax, 2);
            c.syscall();
            c.mov(__byte_ptr[UserGuest.Data], 0x22);
            c.ud2();
        });

        Assert.Equal(UserGuest.Data, state.Cr2);
        Assert.Equal(0xC3, direct.Guest.Ram.Slice(UserGuest.DataOffset, 1)[0]);
    }

    /// <summary>What a program writes directly is found by whoever asks for dirty pages, before and after he has asked once.</summary>
    [DirectFact]
    public void Run_WritesAroundAHarvest_AreDirty()
    {
        using Direct direct = new();
        GuestMemory ram = direct.Guest.Ram;
        void Store(Assembler c)
        {
            c.mov(__byte_ptr[UserGuest.Data], 0x11);
            c.syscall();
        }

        direct.Guest.Run(Store);
        PageBitmap first = new(ram.Pages);
        ram.HarvestDirty(first);
        direct.Guest.Run(Store);
        PageBitmap second = new(ram.Pages);
        ram.HarvestDirty(second);

        Assert.True(first.Contains(UserGuest.DataOffset >> 12));
        Assert.True(second.Contains(UserGuest.DataOffset >> 12));
    }

    /// <summary>Code that the program writes, and that was decoded before: its own processor decodes it again.</summary>
    [DirectFact]
    public void Run_ProgramWritesCodeThatWasDecoded_RunsTheNewOne()
    {
        using Direct direct = new();
        direct.Guest.Map(UserGuest.Data, UserGuest.DataOffset, 7); // writable and executable

        X86CpuState state = direct.Guest.Run(c =>
        {
            Label again = c.CreateLabel();
            c.mov(__dword_ptr[UserGuest.Data], unchecked((int)0xC3A20F00)); // 0F A2 is CPUID, decoded by the interpreter
            c.mov(__dword_ptr[UserGuest.Data + 1], 0x00C3A20F);
            c.mov(__byte_ptr[UserGuest.Data], 0x90);
            c.xor(r15d, r15d);
            c.Label(ref again);
            c.xor(eax, eax);
            c.mov(rsi, UserGuest.Data);
            c.call(rsi);
            c.mov(__dword_ptr[UserGuest.Data + 1], 0x00C3F0FF); // INC EAX in the place of CPUID, wrongly encoded
            c.mov(__dword_ptr[UserGuest.Data + 1], 0x00C3C0FF);
            c.inc(r15d);
            c.cmp(r15d, 2);
            c.jne(again);
            c.syscall();
        });

        Assert.Equal(1UL, state.Gprs[Gpr.Rax]);
    }

    /// <summary>The machine has nothing to share any more, as behind a clone: the translator goes on.</summary>
    [DirectFact]
    public void Run_MemoryKeepsItsWrites_IsTranslatedFromThenOn()
    {
        using Direct direct = new();
        direct.Guest.Run(c => c.syscall());
        direct.Guest.Ram.KeepWrites();

        X86CpuState state = direct.Guest.Run(c =>
        {
            c.mov(eax, 77);
            c.mov(__dword_ptr[UserGuest.Data], eax);
            c.mov(ebx, __dword_ptr[UserGuest.Data]);
            c.syscall();
        });

        Assert.Equal(77UL, state.Gprs[Gpr.Rbx]);
        Assert.NotNull(direct.Engine.Counters.Obstacle);
    }

    /// <summary>
    /// The host has more components than the guest, and looks at an area that ends in a page which is not there. What the guest's processor
    /// would write lies in the page before, and the image can be restored by either.
    /// </summary>
    [DirectFact]
    public void Run_SaveAtTheEndOfAMapping_UsesTheGuestsArea()
    {
        const ulong end = UserGuest.Data + 0x4000;
        using Direct direct = new();

        X86CpuState state = direct.Guest.Run(c =>
        {
            c.movq(xmm3, r15);
            c.mov(eax, 0xEE); // what the C library's linker saves
            c.xor(edx, edx);
            c.mov(rbx, end - 576);
            c.xsavec(__[rbx]);
            c.mov(r8, UserGuest.Data);
            c.xsavec(__[r8]); // by the CPU
            c.mov(rsi, r8);
            c.mov(rdi, rbx);
            c.mov(ecx, 576);
            c.rep.movsb();
            c.pxor(xmm3, xmm3);
            c.xrstor(__[rbx]);
            c.syscall();
        });

        Assert.Equal(UserGuest.Entry + 1, state.Rip);
        Assert.Equal(state.Gprs[15], state.Vectors[12]);
    }

    /// <summary>A program that attacks its stub ends in its kernel's handler of general protection.</summary>
    [DirectFact]
    public void Run_ForgedFrame_IsAGeneralProtectionFault()
    {
        using Direct direct = new();

        X86CpuState state = direct.Guest.Run(c =>
        {
            c.mov(rsp, 0x2A00_0020_1008);
            c.hlt();
        });

        Assert.Equal(UserGuest.Kernel + 0x9000 + (13 * 16) + 1, state.Rip);
    }

    /// <summary>The engine over a guest.</summary>
    private sealed class Direct : IDisposable
    {
        private DirectMachine? _machine;

        public Direct() => Guest = new UserGuest((cpu, ram) =>
        {
            _machine = new DirectMachine(ram, new TranslatorOptions(), DirectChoice.Always);
            return new DirectEngine(cpu, _machine);
        });

        public UserGuest Guest { get; }

        public DirectEngine Engine => (DirectEngine)Guest.Engine;

        public void Dispose()
        {
            Guest.Dispose();
            _machine?.Dispose();
        }
    }
}
