using System.Globalization;
using Iced.Intel;
using Strata.X86.Direct.Stub;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Direct.Tests.Stub;

/// <summary>
/// A hostile program of a guest in a stub: whatever it executes reaches nothing but the pages that the guest's tables give it. After each
/// attack the process has the same mappings, descriptors, threads, filters and signal mask as before, and RAM that is not mapped has its
/// bytes.
/// </summary>
public sealed unsafe class WallTests
{
    private const int Ill = 4;
    private const int Segv = 11;
    private const int Sys = 31;
    private const ulong Code32 = 0x23;
    private const int Numbers = 600; // Linux has fewer

    /// <summary>Arguments that would do harm with some number: map a secret page, give a buffer or a path, be zero.</summary>
    public static TheoryData<ulong, ulong, ulong, ulong, ulong, ulong> HostileArguments => new()
    {
        { 0x6000_0000, 4096, 7, 0x11, 3, StubGuest.SecretOffset },
        { StubGuest.Data, StubGuest.Data, 1, StubGuest.Data, 8, 0 },
        { StubLayout.Base, 4096, 7, 0, 0, 0 },
        { 0, 0, 0, 0, 0, 0 },
    };

    [DirectTheory]
    [MemberData(nameof(HostileArguments))]
    public void Syscall_EveryNumber_IsTheGuestsOwn(ulong a0, ulong a1, ulong a2, ulong a3, ulong a4, ulong a5)
    {
        using StubGuest guest = new();
        guest.Write(c => c.syscall());
        "/etc/passwd\0"u8.CopyTo(guest.DataPage);
        Observation before = new(guest);
        SetArguments(guest, [a0, a1, a2, a3, a4, a5]);
        foreach (ulong kind in new ulong[] { 0, 0x4000_0000, 0xFFFF_FFFF_0000_0000 }) // x32, and numbers that do not exist
        {
            for (ulong number = 0; number < Numbers; number++)
            {
                guest.State.Gprs[Gpr.Rax] = kind | number;

                StubFrame frame = guest.Run();

                Assert.Equal((Sys, kind | number, StubGuest.Code + 2), (frame.Signal, frame.Registers[Gpr.Rax], frame.Rip));
            }
        }

        before.AssertUnchanged(guest);
    }

    [DirectTheory]
    [InlineData(new byte[] { 0xCD, 0x80 }, 0x33)] // INT 80H
    [InlineData(new byte[] { 0xCD, 0x80 }, 0x23)]
    [InlineData(new byte[] { 0x0F, 0x34 }, 0x33)] // SYSENTER
    [InlineData(new byte[] { 0x0F, 0x34 }, 0x23)]
    [InlineData(new byte[] { 0x0F, 0x05 }, 0x23)] // SYSCALL in compatibility mode
    public void OtherEntries_EveryNumber_HaveNoEffect(byte[] entry, ulong cs)
    {
        using StubGuest guest = new();
        guest.Write(entry);
        "/etc/passwd\0"u8.CopyTo(guest.DataPage);
        Observation before = new(guest);
        ulong[][] arguments =
        [
            [0x6000_0000, 4096, 7, 0x11, 3, StubGuest.SecretOffset >> 12],
            [StubGuest.Data, StubGuest.Data, 1, StubGuest.Data, 8, 0],
        ];
        foreach (ulong[] set in arguments)
        {
            for (ulong number = 0; number < Numbers; number++)
            {
                SetArguments32(guest, set);
                guest.State.Gprs[Gpr.Rax] = number;

                StubFrame frame = guest.Run(cs);

                Assert.Contains(frame.Signal, new[] { Sys, Segv, Ill });
            }
        }

        before.AssertUnchanged(guest);
    }

    /// <summary>From 64-bit code by a far jump, as a program would.</summary>
    [DirectFact]
    public void FarJump_IntoThirtyTwoBitCode_HasNoEffect()
    {
        using StubGuest guest = new();
        Observation before = new(guest);
        for (ulong number = 0; number < Numbers; number++)
        {
            guest.Write(c =>
            {
                Label target = c.CreateLabel();
                c.push(0x23);
                c.push((int)StubGuest.Code + 0x100);
                c.db(0x48, 0xCB); // RETF with 64-bit operands
                c.Label(ref target);
                c.nop();
            });
            byte[] entry = [0xCD, 0x80, 0xF4];
            entry.CopyTo(guest.Ram.Slice(StubGuest.CodeOffset + 0x100, 3));
            SetArguments32(guest, [StubGuest.Data, StubGuest.Data, 1, StubGuest.Data, 8, 0]);
            guest.State.Gprs[Gpr.Rax] = number;

            StubFrame frame = guest.Run();

            Assert.Equal((Sys, (ushort)Code32, StubGuest.Code + 0x102), (frame.Signal, frame.Cs, frame.Rip));
        }

        before.AssertUnchanged(guest, stack: true);
    }

    [DirectTheory]
    [InlineData(0xFFFF_FFFF_FF60_0000)] // gettimeofday
    [InlineData(0xFFFF_FFFF_FF60_0400)] // time
    [InlineData(0xFFFF_FFFF_FF60_0800)] // getcpu
    public void Vsyscall_Call_IsTheGuestsOwn(ulong address)
    {
        using StubGuest guest = new();
        guest.Write(c => c.call(rbx));
        guest.State.Gprs[Gpr.Rbx] = address;
        SetArguments(guest, [StubGuest.Data, StubGuest.Data + 64, 0, 0, 0, 0]);
        Observation before = new(guest);

        StubFrame frame = guest.Run();

        Assert.Contains(frame.Signal, new[] { Sys, Segv });
        Assert.True(frame.Signal == Segv || (frame.CallAddress == address && frame.Rip == StubGuest.Code + 2));
        before.AssertUnchanged(guest, stack: true);
    }

    /// <summary>A jump to any byte of the stub's own code, system calls included, with registers as bad as can be.</summary>
    [DirectTheory]
    [MemberData(nameof(HostileArguments))]
    public void Jump_ToEveryByteOfTheStub_HasNoEffect(ulong a0, ulong a1, ulong a2, ulong a3, ulong a4, ulong a5)
    {
        using StubGuest guest = new();
        guest.Write(c => c.jmp(r13));
        ProtectData(guest);
        Observation before = new(guest);
        byte[] image = StubImage.Build();
        using Timer kicker = new(_ => guest.Stub.Interrupt(), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(1));
        for (int offset = 0; offset < image.Length; offset++)
        {
            SetArguments(guest, [a0, a1, a2, a3, a4, a5]);
            guest.State.Gprs[Gpr.Rax] = 9; // mmap
            guest.State.Gprs[Gpr.Rbx] = (offset & 1) == 0 ? StubLayout.Control : StubGuest.Data;
            guest.State.Gprs[Gpr.Rbp] = (offset & 2) == 0 ? StubLayout.Public : StubGuest.Data;
            guest.State.Gprs[13] = StubLayout.Base + (ulong)offset;
            guest.State.Gprs[14] = StubGuest.Data;
            int attention = 0;

            (StubStop stop, _) = guest.Run(ref attention);

            if (stop == StubStop.Lost)
            {
                ProtectData(guest); // the program's process has ended, and is another now
                before = new Observation(guest);
            }

            before.AssertUnchanged(guest);
        }
    }

    [DirectFact]
    public void Write_ToCodeAndControlPagesOfTheStub_Faults()
    {
        using StubGuest guest = new();
        guest.Write(c => c.mov(__byte_ptr[rdi], 0));
        ulong[] addresses = [StubLayout.Base, StubLayout.Base + 0x100, StubLayout.Control,
            StubLayout.Control + StubLayout.ControlOffset.Commands, StubLayout.Control + StubLayout.ControlSize - 1];
        foreach (ulong address in addresses)
        {
            guest.State.Gprs[Gpr.Rdi] = address;

            StubFrame frame = guest.Run();

            Assert.Equal((Segv, 14u, 6u, address), (frame.Signal, frame.Trap, frame.ErrorCode & 6, frame.Cr2));
        }
    }

    /// <summary>The pages that guest code can write: the monitor lives with whatever stands there.</summary>
    [DirectTheory]
    [InlineData(0x00)]
    [InlineData(0x2A)]
    [InlineData(0xFF)]
    public void Write_OverPublicPageAndStack_LeavesTheMonitorWhole(byte value)
    {
        using StubGuest guest = new();
        guest.Write(c =>
        {
            c.mov(rdi, StubLayout.Public + 4); // all but the number of the event
            c.mov(ecx, StubLayout.PublicSize + StubLayout.StackSize - 4);
            c.mov(al, value);
            c.rep.stosb();
            c.syscall();
        });

        StubFrame first = guest.Run();
        StubFrame second = guest.Run();

        Assert.Equal((Sys, Sys), (first.Signal, second.Signal));
    }

    /// <summary>A program that says it has stopped, and goes on: it is made to stop before the guest's kernel runs.</summary>
    [DirectFact]
    public void Event_Forged_StopsTheProgramAllTheSame()
    {
        using StubGuest guest = new();
        guest.Write(c =>
        {
            Label loop = c.CreateLabel();
            c.mov(rbx, StubLayout.Control);
            c.mov(rbp, StubLayout.Public);
            c.mov(eax, __dword_ptr[rbx]);
            c.mov(__dword_ptr[rbp], eax);
            c.Label(ref loop);
            c.inc(__qword_ptr[StubGuest.Data + 0x10]);
            c.jmp(loop);
        });
        int attention = 0;

        (StubStop stop, _) = guest.Run(ref attention);
        ulong counted = BitConverter.ToUInt64(guest.DataPage[0x10..]);
        bool stands = true;
        for (int i = 0; i < 1000; i++)
        {
            stands &= BitConverter.ToUInt64(guest.DataPage[0x10..]) == counted;
            Thread.SpinWait(1000);
        }

        Assert.Equal(StubStop.Event, stop);
        Assert.True(stands);
    }

    /// <summary>A stack pointer in the stub's stack, where the host then puts its frame: at worst the program's own process ends.</summary>
    [DirectFact]
    public void StackPointer_InTheStubsStack_HurtsNobodyElse()
    {
        using StubGuest guest = new();
        guest.Write(c =>
        {
            c.mov(rsp, rdi);
            c.hlt();
        });
        for (ulong offset = 0; offset <= StubLayout.StackSize; offset += 0x1FF8)
        {
            guest.State.Gprs[Gpr.Rdi] = StubLayout.Stack + offset;
            int attention = 0;

            (StubStop stop, StubFrame frame) = guest.Run(ref attention);

            Assert.True(stop == StubStop.Lost || frame.Signal == Segv, $"{stop} {frame.Signal}");
        }

        guest.Write(c => c.syscall());
        Assert.Equal(Sys, guest.Run().Signal);
        new Observation(guest).AssertUnchanged(guest);
    }

    [DirectFact]
    public void Selectors_EveryValue_LoadOrFault()
    {
        using StubGuest guest = new();
        Observation before = new(guest);
        AssemblerRegisterSegment[] segments = [ds, es, fs, gs, ss];
        foreach (AssemblerRegisterSegment segment in segments)
        {
            guest.Write(c =>
            {
                c.mov(segment, ecx);
                c.syscall();
            });
            for (ulong selector = 0; selector < 0x10000; selector += selector < 0x200 ? 1UL : 0x1FF)
            {
                guest.State.Gprs[Gpr.Rcx] = selector;

                StubFrame frame = guest.Run();

                Assert.True(frame.Signal == Sys || frame.Trap is 10 or 11 or 12 or 13, $"{selector:x}: {frame.Signal} {frame.Trap}");
            }
        }

        before.AssertUnchanged(guest);
    }

    /// <summary>A stray store of the stub's own code, with the program's registers, is no escape and shall not look like one.</summary>
    private static void ProtectData(StubGuest guest) => guest.Stub.Protect(StubGuest.Data, 4096, PageRights.Read);

    private static void SetArguments(StubGuest guest, ulong[] values)
    {
        int[] registers = [Gpr.Rdi, Gpr.Rsi, Gpr.Rdx, 10, 8, 9];
        for (int i = 0; i < registers.Length; i++)
        {
            guest.State.Gprs[registers[i]] = values[i];
        }
    }

    private static void SetArguments32(StubGuest guest, ulong[] values)
    {
        int[] registers = [Gpr.Rbx, Gpr.Rcx, Gpr.Rdx, Gpr.Rsi, Gpr.Rdi, Gpr.Rbp];
        for (int i = 0; i < registers.Length; i++)
        {
            guest.State.Gprs[registers[i]] = values[i];
        }
    }

    /// <summary>All that an attack could change.</summary>
    private sealed class Observation
    {
        private readonly string _maps;
        private readonly string _status;
        private readonly byte[] _data;

        public Observation(StubGuest guest)
        {
            Assert.True(guest.Stub.Flush());
            _maps = Maps(guest);
            _status = Status(guest);
            _data = guest.DataPage.ToArray();
        }

        /// <param name="stack">The program has used its stack, the first half of the page.</param>
        public void AssertUnchanged(StubGuest guest, bool stack = false)
        {
            Assert.True(guest.Stub.Flush());
            Assert.Equal(_maps, Maps(guest));
            Assert.Equal(_status, Status(guest));
            int from = stack ? 0x800 : 0;
            Assert.Equal(_data.AsSpan(from), guest.DataPage[from..]);
            Assert.Equal(-1, guest.Ram.Slice(StubGuest.SecretOffset, 4096).IndexOfAnyExcept((byte)0x5E));
        }

        private static string Maps(StubGuest guest) =>
            File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{guest.Stub.ProcessId}/maps"));

        /// <summary>Threads with their signal masks and filters, and descriptors.</summary>
        private static string Status(StubGuest guest)
        {
            string folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{guest.Stub.ProcessId}");
            string[] names = ["Threads:", "SigBlk:", "SigCgt:", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:", "Uid:", "VmSize:"];
            IEnumerable<string> lines = Directory.GetDirectories($"{folder}/task").Order(StringComparer.Ordinal)
                .SelectMany(task => File.ReadLines($"{task}/status"))
                .Where(line => names.Any(name => line.StartsWith(name, StringComparison.Ordinal)))
                .Append(string.Join(' ', Directory.GetFiles($"{folder}/fd").Select(Path.GetFileName)));
            return string.Join('\n', lines);
        }
    }
}
