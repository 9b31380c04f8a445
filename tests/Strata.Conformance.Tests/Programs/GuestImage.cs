using System.Runtime.InteropServices;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;

namespace Strata.Conformance.Tests.Programs;

/// <summary>What surrounds a program: random page attributes, data and registers, made of its seed.</summary>
internal sealed unsafe class GuestImage
{
    /// <summary>Pages for data, each with attributes of its own.</summary>
    private const int DataPages = 8;

    private const ulong PageSize = 0x1000;
    private const ulong Present = 1;
    private const ulong Writable = 2;
    private const ulong UserPage = 4;
    private const uint Accessed = 0x20;
    private const uint Dirty = 0x40;
    private const ulong FrameMask = 0xFF000;
    private const ulong NoExecute = 1UL << 63;

    private static readonly ulong[] Odd =
    [
        0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
        0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, ulong.MaxValue, ulong.MaxValue - 1, 0x0000_7FFF_FFFF_FFF8, 0x0000_8000_0000_0000,
        0xFFFF_8000_0000_0000, 0x1_0000_0000,
    ];

    private static readonly ulong[] Floats =
    [
        0, 0x8000_0000_0000_0000, 0x3FF0_0000_0000_0000, 0xBFF0_0000_0000_0000, 0x7FF0_0000_0000_0000, 0xFFF0_0000_0000_0000,
        0x7FF8_0000_0000_0000, 0x7FF0_0000_0000_0001, 1, 0x000F_FFFF_FFFF_FFFF, 0x3F80_0000_4000_0000, 0x7F80_0000_FF80_0000,
        0x7FC0_0000_7F80_0001, 0x0000_0001_8000_0000, 0x41DF_FFFF_FFC0_0000, 0x43E0_0000_0000_0000, 0x4F00_0000_CF00_0000,
    ];

    private readonly GuestProgram _program;
    private readonly Random _random;

    public GuestImage(GuestProgram program)
    {
        _program = program;
        _random = new Random(program.Seed ^ 0x5EED);
    }

    /// <summary>Writes the program and its data into a memory image.</summary>
    public void Fill(Span<byte> memory, SystemMachine machine)
    {
        GuestSetting setting = _program.Setting;
        _random.NextBytes(memory.Slice((int)setting.Data, (int)(DataPages * PageSize)));
        if (setting.IsPaged)
        {
            ChangePages(memory, machine);
            UsePages(memory, machine);
        }

        ulong at = _program.Start;
        foreach (byte[] chunk in _program.Chunks)
        {
            chunk.CopyTo(memory[(int)at..]);
            at += (ulong)chunk.Length;
        }
    }

    /// <summary>The registers at the start.</summary>
    public X86CpuState Randomize(X86CpuState state)
    {
        for (int i = 0; i < Gpr.None; i++)
        {
            state.Gprs[i] = i is 3 or 5 or 6 or 7 or 10 or 12 or 14 && _random.Next(12) != 0 ? Pointer() : Number();
        }

        GuestSetting setting = _program.Setting;
        ulong stack = _random.Next(6) == 0 ? Pointer() : setting.Data + PageSize - (8UL * (ulong)_random.Next(8, 64));
        state.Gprs[Gpr.Rsp] = setting.Bitness == 16 ? (ushort)(stack - setting.CodeBase) : stack;
        state.Rip = _program.Start - setting.CodeBase;
        ulong flags = RFlags.Arithmetic | (_random.Next(8) == 0 ? RFlags.DF : 0) | (_random.Next(2) == 0 ? RFlags.IF : 0)
            | (_random.Next(8) == 0 ? RFlags.AC : 0) | (_random.Next(32) == 0 ? RFlags.TF : 0) | (_random.Next(8) == 0 ? RFlags.IOPL : 0);
        state.Rflags = (state.Rflags & ~flags) | ((ulong)_random.NextInt64() & flags);
        state.Cr4 |= _random.Next(4) == 0 ? Cr4.FSGSBASE : 0;
        state.Cr4 |= _random.Next(8) == 0 ? Cr4.TSD : 0;
        state.Cr4 |= _random.Next(8) == 0 ? Cr4.UMIP : 0;
        state.Cr4 |= _random.Next(4) != 0 ? Cr4.OSXSAVE : 0;
        state.Xcr0 = _random.Next(8) switch { 0 => 1, 1 => 3, _ => 7 };
        if (setting.IsPaged && setting.Mode == GuestMode.Long && setting.Cpl == 0)
        {
            state.Cr4 |= _random.Next(4) == 0 ? Cr4.SMAP : 0;
            state.Cr4 |= _random.Next(4) == 0 ? Cr4.SMEP : 0;
            state.Cr0 &= _random.Next(4) == 0 ? ~Cr0.WP : ulong.MaxValue;
        }

        state.Cr0 |= _random.Next(16) == 0 ? Cr0.TS : 0;
        state.Cr0 |= _random.Next(32) == 0 ? Cr0.EM : 0;
        state.Cr0 |= _random.Next(4) == 0 ? Cr0.AM : 0;
        if (setting.Bitness == 64)
        {
            state.Fs.Base = _random.Next(2) == 0 ? 0 : 8UL * (ulong)_random.Next(64);
            state.Gs.Base = _random.Next(2) == 0 ? 0 : 8UL * (ulong)_random.Next(64);
            state.KernelGsBase = Pointer();
            state.Star = ((ulong)(Selector.Data + 8) << 48) | ((ulong)Selector.Code64 << 32);
            state.Lstar = SystemMachine.Handlers + 0x100;
            state.Sfmask = (ulong)_random.NextInt64() & RFlags.Defined;
        }

        if (setting.Bitness == 32)
        {
            RandomizeSegment(ref state.Fs);
            RandomizeSegment(ref state.Gs);
            foreach (SegmentIndex index in (ReadOnlySpan<SegmentIndex>)[SegmentIndex.Ds, SegmentIndex.Es, SegmentIndex.Ss])
            {
                if (_random.Next(16) == 0)
                {
                    RandomizeSegment(ref state.Segment(index));
                }
            }
        }

        if (setting.Bitness == 16)
        {
            RandomizeSegments16(ref state);
        }

        RandomizeFloating(ref state);
        return state;
    }

    /// <summary>Mostly segments of 64 KiB; now and then one elsewhere, shorter or with fewer rights, or a stack with ESP.</summary>
    private void RandomizeSegments16(ref X86CpuState state)
    {
        foreach (SegmentIndex index in (ReadOnlySpan<SegmentIndex>)[
            SegmentIndex.Ds, SegmentIndex.Es, SegmentIndex.Ss, SegmentIndex.Fs, SegmentIndex.Gs])
        {
            ref SegmentState segment = ref state.Segment(index);
            if (_random.Next(4) == 0)
            {
                segment.Base += 16UL * (ulong)_random.Next(32);
            }

            if (_random.Next(12) == 0)
            {
                ulong home = segment.Base;
                RandomizeSegment(ref segment);
                segment.Base = home;
            }
        }

        if (_program.Setting.Mode != GuestMode.Virtual8086)
        {
            state.Ss.Attributes |= _random.Next(8) == 0 ? SegmentState.Big : 0;
        }
    }

    /// <summary>Mostly a segment of 4 GiB that starts somewhere, and now and then one that forbids some accesses.</summary>
    private void RandomizeSegment(ref SegmentState segment)
    {
        segment.Base = _random.Next(4) switch
        {
            0 => 0,
            1 => uint.MaxValue - (ulong)_random.Next(0x8000),
            _ => 8UL * (ulong)_random.Next(64),
        };
        switch (_random.Next(12))
        {
            case 0:
                segment.Limit = (uint)(_program.Setting.Data + (ulong)_random.Next((int)PageSize));
                break;
            case 1:
                segment.Attributes &= ~SegmentState.ReadableOrWritable;
                break;
            case 2:
                segment.Attributes |= SegmentState.ConformingOrExpandDown;
                break;
            case 3:
                segment.Attributes |= SegmentState.Unusable;
                break;
        }
    }

    private void RandomizeFloating(ref X86CpuState state)
    {
        bool hasUppers = _random.Next(2) == 0;
        for (int i = 0; i < 64; i++)
        {
            state.Vectors[i] = i % 4 < 2 || hasUppers ? FloatBits() : 0;
        }

        int style = _random.Next(6);
        state.Mxcsr = style == 0 ? (uint)_random.Next(0x10000) & 0xFFC0 : 0x1F80 | (style == 1 ? (uint)_random.Next(4) << 13 : 0);
        state.Fcw = (ushort)(style == 2 ? 0x340u | (uint)_random.Next(0x40) | ((uint)_random.Next(16) << 8) : 0x37F);
        state.Fsw = (ushort)(_random.Next(8) << 11);
        state.Ftw = 0xFFFF;
        for (int i = 0; i < 8; i++)
        {
            if (_random.Next(2) == 0)
            {
                state.FpuRegisters[2 * i] = 0x8000_0000_0000_0000 | (ulong)_random.NextInt64();
                state.FpuRegisters[(2 * i) + 1] = (uint)(0x3FFF + _random.Next(-70, 70)) | ((ulong)_random.Next(2) << 15);
                state.Ftw &= (ushort)~(3 << (2 * i));
            }
        }
    }

    private ulong FloatBits() => _random.Next(4) switch
    {
        0 => Floats[_random.Next(Floats.Length)],
        1 => BitConverter.DoubleToUInt64Bits((_random.NextDouble() - 0.5) * Math.Pow(10, _random.Next(-12, 12))),
        2 => ((ulong)BitConverter.SingleToUInt32Bits((_random.NextSingle() - 0.5f) * _random.Next(1, 100000)) << 32)
            | BitConverter.SingleToUInt32Bits((_random.NextSingle() - 0.5f) * _random.Next(1, 100000)),
        _ => (ulong)_random.NextInt64() * 3,
    };

    private ulong Number() => _random.Next(3) switch
    {
        0 => Odd[_random.Next(Odd.Length)],
        1 => (ulong)_random.Next(256),
        _ => (ulong)_random.NextInt64() * 3,
    };

    /// <summary>An address among the data pages: aligned, near a page's end, or anywhere.</summary>
    private ulong Pointer()
    {
        ulong page = _program.Setting.Data + (PageSize * (ulong)_random.Next(DataPages));
        ulong address = _random.Next(4) switch
        {
            0 => page + PageSize - (ulong)_random.Next(1, 20),
            1 => page + (ulong)_random.Next((int)PageSize),
            _ => page + (16UL * (ulong)_random.Next(256)),
        };
        return address - (_program.Setting.Bitness == 16 ? _program.Setting.CodeBase : 0);
    }

    /// <summary>
    /// Some data pages, and the page behind the code, get other rights or another frame, which may be the code's: then the code can
    /// be written through an alias. The first data page holds the stack and stays.
    /// </summary>
    private void ChangePages(Span<byte> memory, SystemMachine machine)
    {
        ulong code = _program.Setting.Entry & ~0xFFFUL;
        for (int i = 1; i < DataPages; i++)
        {
            if (_random.Next(3) == 0)
            {
                ChangePage(memory, machine, _program.Setting.Data + (PageSize * (ulong)i), mayMove: true);
            }
        }

        if (_random.Next(4) == 0)
        {
            ChangePage(memory, machine, code + PageSize, mayMove: false);
        }
    }

    /// <summary>
    /// In half of the programs most tables and pages have been used before: engines then need not write to the tables. By numbers of
    /// its own, so that a seed's program stays what it was.
    /// </summary>
    private void UsePages(Span<byte> memory, SystemMachine machine)
    {
        Random random = new(_program.Seed ^ 0xACCE55);
        if (random.Next(2) == 0)
        {
            return;
        }

        int first = _program.Setting.Paging == GuestPaging.Pae ? 1 : 0; // what CR3 points to has no accessed bits there
        for (int level = first; level < 3; level++)
        {
            Entry(memory, SystemMachine.Tables + (0x1000UL * (ulong)level)) |= random.Next(16) != 0 ? Accessed : 0;
        }

        for (ulong va = 0; va < SystemMachine.Tables; va += PageSize)
        {
            Entry(memory, machine.PteAddress(va)) |= random.Next(8) switch { 0 => 0, 1 => Accessed, _ => Accessed | Dirty };
        }
    }

    private static ref uint Entry(Span<byte> memory, ulong address) => ref MemoryMarshal.AsRef<uint>(memory[(int)address..]);

    private void ChangePage(Span<byte> memory, SystemMachine machine, ulong va, bool mayMove)
    {
        bool wide = _program.Setting.Paging != GuestPaging.ThirtyTwoBit;
        Span<byte> place = memory.Slice((int)machine.PteAddress(va), wide ? 8 : 4);
        ulong entry = wide ? BitConverter.ToUInt64(place) : BitConverter.ToUInt32(place);
        entry = _random.Next(wide ? 6 : 4) switch
        {
            0 => entry & ~Present,
            1 => entry & ~Writable,
            2 => entry ^ UserPage,
            3 when mayMove => (entry & ~FrameMask) | Frame(),
            4 => entry | NoExecute,
            _ => entry | (_random.Next(8) == 0 && wide ? 1UL << 51 : 0), // a reserved bit
        };
        if (wide)
        {
            BitConverter.TryWriteBytes(place, entry);
        }
        else
        {
            BitConverter.TryWriteBytes(place, (uint)entry);
        }
    }

    private ulong Frame() => _random.Next(2) == 0
        ? _program.Setting.Entry & FrameMask
        : _program.Setting.Data + (PageSize * (ulong)_random.Next(DataPages));
}
