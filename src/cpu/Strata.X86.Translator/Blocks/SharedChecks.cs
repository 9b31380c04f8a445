using Iced.Intel;
using Strata.X86.Translator.Emit;

namespace Strata.X86.Translator.Blocks;

/// <summary>An access whose check serves others, or that relies on another one's.</summary>
internal readonly record struct SharedCheck
{
    /// <summary>Whether it is one; everything else is only true then.</summary>
    public bool IsShared { get; init; }

    /// <summary>It is the first one, which makes the check.</summary>
    public bool Opens { get; init; }

    /// <summary>Offset in the frame of what the check found: host address minus guest address.</summary>
    public int Slot { get; init; }

    /// <summary>Displacement of the first byte that is checked.</summary>
    public int Low { get; init; }

    /// <summary>Bytes that are checked.</summary>
    public byte Size { get; init; }
}

/// <summary>
/// Finds accesses of a block that one TLB check can serve: near each other, from registers that nothing changes between them. The fields
/// of a structure and the variables of a stack frame are so, and they are a quarter of what programs and kernels access.
/// <para>
/// A check holds to the end of its block. Nothing within a block flushes the TLB, and what other processors do to it takes effect between
/// blocks; but if one of them decodes a page, this one has to know that it may still write to it. So writes share on a machine's only
/// processor, and reads everywhere.
/// </para>
/// </summary>
internal sealed class SharedChecks
{
    /// <summary>Most bytes from the first to the last one checked: what lies in two pages is checked one by one after all.</summary>
    private const int LongestSpan = 240;

    private const int MostGroups = 16;

    private static readonly int[] Slots = [Frame.Shared, Frame.Shared + 8, Frame.Shared + 16];

    private readonly Group[] _groups = new Group[MostGroups];
    private readonly int[] _last = new int[Slots.Length];
    private int _count;
    private CodeMode _mode;

    /// <summary>Notes the groups in the instructions of a block.</summary>
    /// <param name="shareWrites">Whether writes can share.</param>
    public void Find(Span<DecodedInstruction> instructions, CodeMode mode, bool shareWrites)
    {
        _count = 0;
        _mode = mode;
        for (int i = 0; i < instructions.Length; i++)
        {
            ref DecodedInstruction decoded = ref instructions[i];
            decoded.Group = CanShare(decoded, shareWrites) ? Join(decoded, i) : -1;
            CloseGroups(decoded);
        }

        ChooseSlots();
        for (int i = 0; i < instructions.Length; i++)
        {
            if (instructions[i].Group >= 0 && _groups[instructions[i].Group] is { Slot: not 0 } g)
            {
                instructions[i].Shared = new SharedCheck
                {
                    IsShared = true,
                    Opens = g.First == i,
                    Slot = g.Slot,
                    Low = g.Low,
                    Size = (byte)(g.High - g.Low),
                };
            }
        }
    }

    private bool CanShare(in DecodedInstruction decoded, bool shareWrites)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        return decoded.HasMemory && decoded.Traits.Handling == Handling.Native && (shareWrites || !decoded.Traits.WritesMemory)
            && !decoded.Traits.IsAligned && !decoded.Traits.IsBitString && decoded.Table == 0
            && instruction.MemorySegment is not (Register.FS or Register.GS)
            && HasHome(instruction.MemoryBase) && (instruction.MemoryIndex == Register.None || HasHome(instruction.MemoryIndex))
            && instruction.MemorySize.GetSize() is > 0 and <= 32
                && Math.Abs((long)(int)instruction.MemoryDisplacement64) < int.MaxValue - LongestSpan;
    }

    private bool HasHome(Register register) => (_mode == CodeMode.Code32 ? register.IsGPR32() : register.IsGPR64())
        && HostRegister.HomeOf(register.GetFullRegister() - Register.RAX) >= 0;

    /// <summary>The group that an access belongs to: one that is open and near, or a new one. −1 if there is no room.</summary>
    private int Join(in DecodedInstruction decoded, int index)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        (Register at, Register by) = (instruction.MemoryBase.GetFullRegister(), instruction.MemoryIndex.GetFullRegister());
        int low = (int)instruction.MemoryDisplacement64;
        int high = low + instruction.MemorySize.GetSize();
        for (int i = 0; i < _count; i++)
        {
            ref Group g = ref _groups[i];
            if (g.IsOpen && g.Base == at && g.Index == by && g.Scale == instruction.MemoryIndexScale
                && (g.IsWrite || !decoded.Traits.WritesMemory) && Math.Max(g.High, high) - (long)Math.Min(g.Low, low) <= LongestSpan)
            {
                (g.Low, g.High) = (Math.Min(g.Low, low), Math.Max(g.High, high));
                g.Last = index;
                return i;
            }
        }

        if (_count == MostGroups)
        {
            return -1;
        }

        _groups[_count] = new Group
        {
            Base = at,
            Index = by,
            Scale = instruction.MemoryIndexScale,
            Low = low,
            High = high,
            First = index,
            Last = index,
            IsWrite = decoded.Traits.WritesMemory,
            IsOpen = true,
        };
        return _count++;
    }

    /// <summary>Nobody joins a group any more whose address an instruction changes, or may change.</summary>
    private void CloseGroups(in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        bool all = !ChangesFirstOperandOnly(decoded);
        Register changed = instruction.Op0Kind == OpKind.Register && instruction.Mnemonic is not (Mnemonic.Cmp or Mnemonic.Test)
            ? instruction.Op0Register.GetFullRegister()
            : Register.None;
        Register second = instruction.Mnemonic == Mnemonic.Mulx ? instruction.Op1Register.GetFullRegister() : Register.None;
        for (int i = 0; i < _count; i++)
        {
            _groups[i].IsOpen &= !all && !_groups[i].Has(changed) && !_groups[i].Has(second);
        }
    }

    /// <summary>Instructions without effects on general registers beside their first operand, and that never leave and come back.</summary>
    private static bool ChangesFirstOperandOnly(in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        switch (decoded.Traits.Handling)
        {
            case Handling.Lea or Handling.Nothing or Handling.JumpIf:
                return true;
            case not Handling.Native:
                return false;
        }

        switch (instruction.Mnemonic)
        {
            case Mnemonic.Mov
                or Mnemonic.Movzx
                or Mnemonic.Movsx
                or Mnemonic.Movsxd
                or Mnemonic.Add
                or Mnemonic.Adc
                or Mnemonic.Sub
                or Mnemonic.Sbb
                or Mnemonic.And
                    or Mnemonic.Or
                    or Mnemonic.Xor
                    or Mnemonic.Cmp
                    or Mnemonic.Test
                    or Mnemonic.Inc
                    or Mnemonic.Dec
                    or Mnemonic.Neg
                or Mnemonic.Not or Mnemonic.Shl or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Bswap
                or Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc
                or Mnemonic.Adcx or Mnemonic.Adox or Mnemonic.Mulx // which changes two: its caller knows
                or Mnemonic.Shld or Mnemonic.Shrd or Mnemonic.Popcnt or Mnemonic.Lzcnt or Mnemonic.Tzcnt or Mnemonic.Bsf or Mnemonic.Bsr
                or Mnemonic.Andn or Mnemonic.Bextr or Mnemonic.Blsi or Mnemonic.Blsmsk or Mnemonic.Blsr or Mnemonic.Bzhi
                or Mnemonic.Pdep or Mnemonic.Pext or Mnemonic.Rorx or Mnemonic.Sarx or Mnemonic.Shlx or Mnemonic.Shrx or Mnemonic.Movbe:
                return true;
            case Mnemonic.Imul:
                return instruction.OpCount > 1;
            case Mnemonic.Pcmpestri or Mnemonic.Pcmpestri64 or Mnemonic.Pcmpistri // change RCX
                or Mnemonic.Vpcmpestri or Mnemonic.Vpcmpestri64 or Mnemonic.Vpcmpistri:
                return false;
            default:
                return instruction.ConditionCode != ConditionCode.None // CMOVcc and SETcc
                    || ((decoded.Traits.UsesVectors || decoded.Traits.UsesAvx)
                        && (instruction.Op0Kind == OpKind.Memory || instruction.Op0Register.IsXMM() || instruction.Op0Register.IsYMM()));
        }
    }

    /// <summary>
    /// Gives slots to the groups of two and more, the first ones first; a slot serves again behind a group's last access.
    /// </summary>
    private void ChooseSlots()
    {
        _last.AsSpan().Fill(-1);
        for (int i = 0; i < _count; i++)
        {
            ref Group g = ref _groups[i];
            if (g.First == g.Last)
            {
                continue;
            }

            for (int slot = 0; slot < Slots.Length; slot++)
            {
                if (_last[slot] < g.First)
                {
                    _last[slot] = g.Last;
                    g.Slot = Slots[slot];
                    break;
                }
            }
        }
    }

    private struct Group
    {
        public Register Base;
        public Register Index;
        public int Scale;

        /// <summary>Displacements of the first byte and of the one behind the last.</summary>
        public int Low;
        public int High;

        /// <summary>Places of its first and its last access in the block.</summary>
        public int First;
        public int Last;
        public bool IsWrite;
        public bool IsOpen;

        /// <summary>Frame offset, or 0 if it has none.</summary>
        public int Slot;

        /// <summary>Whether a register is part of its address.</summary>
        public readonly bool Has(Register register) => register != Register.None && (Base == register || Index == register);
    }
}
