using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Host registers for the fields of one instruction's encoding. Guest registers that live in the frame get a scratch register
/// for the instruction: Scratch2 first, then Scratch1, which a memory operand occupies.
/// </summary>
internal struct RegisterMap
{
    /// <summary>Distance of AH's number from AL's.</summary>
    private const int HighToLow = 4;

    /// <summary>Place of ModRM.rm among the fields of <see cref="CanEncode"/>.</summary>
    private const int RmField = 1;

    private int _firstSpill = HostRegister.None;
    private int _secondSpill = HostRegister.None;
    private bool _loadFirst;
    private bool _loadSecond;
    private bool _storeFirst;
    private bool _storeSecond;

    public RegisterMap(in InstructionTraits traits, in GuestEncoding e)
    {
        Reg = e.Reg;
        Rm = e.Rm;
        Vvvv = e.Vvvv;
        HasOpcode = traits.Opcode != FieldWidth.None;
        if (traits.Reg == FieldWidth.Byte && IsHigh(e.Reg, e) && IsMemoryForm(e))
        {
            SwapsBytes = true;
            Reg = e.Reg - HighToLow;
        }
        else if (traits.Reg != FieldWidth.None)
        {
            Reg = Map(traits.Reg, e.Reg, e, traits.WritesReg, traits.ReplacesReg);
        }

        if (traits.Vvvv != FieldWidth.None)
        {
            Vvvv = Map(traits.Vvvv, e.Vvvv, e, traits.WritesVvvv, traits.ReplacesVvvv);
        }

        if (HasOpcode)
        {
            Opcode = Map(traits.Opcode, e.OpcodeRegister, e, traits.WritesOpcode, traits.ReplacesOpcode);
        }

        if (traits.Rm != FieldWidth.None && e.IsRegisterForm)
        {
            if (traits.RmMayBeMemory && HomeOf(e.Rm) < 0 && e.Rm != _firstSpill && e.Rm != _secondSpill)
            {
                RmSlot = SlotOf(e.Rm);
            }
            else
            {
                Rm = Map(traits.Rm, e.Rm, e, traits.WritesRm, traits.ReplacesRm);
            }
        }
    }

    public int Reg { get; }

    public int Rm { get; }

    /// <summary>Where the frame has the register in ModRM.rm, which the instruction uses as memory; −1 if it does not.</summary>
    public int RmSlot { get; } = -1;

    public int Vvvv { get; }

    public int Opcode { get; }

    public bool HasOpcode { get; }

    /// <summary>
    /// AH..BH beside a memory operand, whose registers need a REX prefix: the byte is exchanged with the low one of its register, which
    /// <see cref="Reg"/> then names, for the time of the instruction.
    /// </summary>
    public bool SwapsBytes { get; private set; }

    /// <summary>The instruction reads a guest register of the frame from Scratch2.</summary>
    public readonly bool ReadsScratch2 => _loadFirst;

    /// <summary>SPL, BPL, SIL or DIL is named.</summary>
    public bool NeedsRex { get; private set; }

    /// <summary>Whether the instruction can be encoded with mapped registers: enough scratch registers, and no REX beside AH..BH.</summary>
    public static bool CanEncode(in InstructionTraits traits, in GuestEncoding e)
    {
        Span<int> fields =
        [
            traits.Reg != FieldWidth.None ? e.Reg : HostRegister.None,
            traits.Rm != FieldWidth.None && e.IsRegisterForm ? e.Rm : HostRegister.None,
            traits.Vvvv != FieldWidth.None ? e.Vvvv : HostRegister.None,
            traits.Opcode != FieldWidth.None ? e.OpcodeRegister : HostRegister.None,
        ];
        bool memory = IsMemoryForm(e);
        bool high = (traits.Reg == FieldWidth.Byte && IsHigh(e.Reg, e))
            || (traits.Rm == FieldWidth.Byte && e.IsRegisterForm && IsHigh(e.Rm, e))
            || (traits.Opcode == FieldWidth.Byte && IsHigh(e.OpcodeRegister, e));
        int spills = 0;
        for (int i = 0; i < fields.Length; i++)
        {
            int guest = fields[i];
            if (guest < 0)
            {
                continue;
            }

            bool isNew = HomeOf(guest) < 0 && fields[..i].IndexOf(guest) < 0;
            bool isReadInFrame = i == RmField && traits.RmMayBeMemory && fields.LastIndexOf(guest) == i;
            spills += isNew && !isReadInFrame ? 1 : 0;
        }

        // What is only written may come where the address is: MULX with two registers of the frame.
        bool isSecondWritten = memory && spills == 2 && traits.ReplacesReg && traits.ReplacesVvvv && traits.Opcode == FieldWidth.None;

        // With AH..BH there is no REX in the guest's encoding, so every other register is among the first eight; only RSP's home is not.
        bool stackPointer = (traits.Reg == FieldWidth.Wide && e.Reg == Rsp)
            || (traits.Rm == FieldWidth.Wide && e.IsRegisterForm && e.Rm == Rsp);
        return high ? !stackPointer && !(memory && IsCompareExchange(e)) : spills <= (memory && !isSecondWritten ? 1 : 2);
    }

    /// <summary>Loads spilled registers that are read into their scratch registers. Changes no flags.</summary>
    public readonly void Load(ref HostAssembler a)
    {
        ExchangeBytes(ref a);
        if (_loadFirst)
        {
            a.LoadFrame(Scratch2, SlotOf(_firstSpill));
        }

        if (_loadSecond)
        {
            a.LoadFrame(Scratch1, SlotOf(_secondSpill));
        }
    }

    /// <summary>Stores those that the instruction may have written.</summary>
    public readonly void Store(ref HostAssembler a)
    {
        ExchangeBytes(ref a);
        if (_storeFirst)
        {
            a.StoreFrame(SlotOf(_firstSpill), Scratch2);
        }

        if (_storeSecond)
        {
            a.StoreFrame(SlotOf(_secondSpill), Scratch1);
        }
    }

    /// <summary>XCHG of the bytes of <see cref="SwapsBytes"/>.</summary>
    private readonly void ExchangeBytes(ref HostAssembler a)
    {
        if (SwapsBytes)
        {
            a.Byte(0x86);
            a.Byte(0xC0 | (Reg << 3) | (Reg + HighToLow));
        }
    }

    private static bool IsMemoryForm(in GuestEncoding e) => e.HasModRm && !e.IsRegisterForm;

    /// <summary>CMPXCHG of bytes, which uses AL.</summary>
    private static bool IsCompareExchange(in GuestEncoding e) => e.Map == 1 && e.Opcode == 0xB0;

    private static bool IsHigh(int register, in GuestEncoding e) => !e.IsVex && e.Rex == 0 && register is >= 4 and <= 7;

    private int Map(FieldWidth width, int guest, in GuestEncoding e, bool writes, bool replaces)
    {
        if (width == FieldWidth.Byte)
        {
            if (IsHigh(guest, e))
            {
                return guest; // AH..BH: the homes of RAX..RBX are themselves
            }

            NeedsRex |= guest is >= 4 and <= 7;
        }

        int home = HomeOf(guest);
        if (home >= 0)
        {
            return home;
        }

        if (_firstSpill < 0 || _firstSpill == guest)
        {
            _firstSpill = guest;
            _loadFirst |= !replaces;
            _storeFirst |= writes;
            return Scratch2;
        }

        _secondSpill = guest;
        _loadSecond |= !replaces;
        _storeSecond |= writes;
        return Scratch1;
    }
}
