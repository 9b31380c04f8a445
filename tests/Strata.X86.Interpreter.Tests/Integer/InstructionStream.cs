using Iced.Intel;
using Strata.X86.Comparison;
using Strata.X86.Registers;
using Code = Iced.Intel.Code;
using IcedDecoder = Iced.Intel.Decoder;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>
/// A random sequence of register-only instructions and short forward branches in which no instruction depends on a flag that
/// the manual leaves undefined.
/// </summary>
internal sealed class InstructionStream
{
    private static readonly (Code Code, OperandForm Form)[] Table = BuildTable();
    private static readonly (Code Code, OperandForm Form)[] Comparisons =
        [.. Table.Where(row => row.Code.Mnemonic() is Mnemonic.Cmp or Mnemonic.Test)];
    private readonly List<byte> _bytes = [];
    private readonly List<string> _text = [];
    private readonly Random _random;

    public InstructionStream(int length, Random random)
    {
        _random = random;
        while (_text.Count < length)
        {
            if (random.Next(6) == 0)
            {
                if (random.Next(2) == 0)
                {
                    Add(Next(Comparisons));
                }

                AddBranchAround();
            }
            else
            {
                Add(Next(Table));
            }
        }
    }

    public byte[] Code => [.. _bytes];

    /// <summary>Flags that are undefined at the end.</summary>
    public ulong Undefined { get; private set; }

    public override string ToString() => string.Join("; ", _text);

    private static (Code, OperandForm)[] BuildTable()
    {
        Mnemonic[] safe =
        [
            Mnemonic.Add, Mnemonic.Adc, Mnemonic.Sub, Mnemonic.Sbb, Mnemonic.And, Mnemonic.Or, Mnemonic.Xor, Mnemonic.Cmp, Mnemonic.Test,
            Mnemonic.Inc, Mnemonic.Dec, Mnemonic.Neg, Mnemonic.Not, Mnemonic.Adcx, Mnemonic.Adox, Mnemonic.Shl, Mnemonic.Shr, Mnemonic.Sar,
            Mnemonic.Rol, Mnemonic.Ror, Mnemonic.Rcl, Mnemonic.Rcr, Mnemonic.Mul, Mnemonic.Imul, Mnemonic.Bt, Mnemonic.Bts, Mnemonic.Btr,
            Mnemonic.Btc, Mnemonic.Tzcnt, Mnemonic.Lzcnt, Mnemonic.Popcnt, Mnemonic.Andn, Mnemonic.Bextr, Mnemonic.Blsi, Mnemonic.Blsmsk,
            Mnemonic.Blsr, Mnemonic.Bzhi, Mnemonic.Mulx, Mnemonic.Pdep, Mnemonic.Pext, Mnemonic.Rorx, Mnemonic.Sarx, Mnemonic.Shlx,
            Mnemonic.Shrx, Mnemonic.Crc32, Mnemonic.Mov, Mnemonic.Movzx, Mnemonic.Movsx, Mnemonic.Movsxd, Mnemonic.Bswap, Mnemonic.Cbw,
            Mnemonic.Cwde, Mnemonic.Cdqe, Mnemonic.Cwd, Mnemonic.Cdq, Mnemonic.Cqo, Mnemonic.Lahf, Mnemonic.Sahf, Mnemonic.Clc,
            Mnemonic.Stc,
            Mnemonic.Cmc, Mnemonic.Cld, Mnemonic.Std, Mnemonic.Xchg, Mnemonic.Xadd, Mnemonic.Cmpxchg, Mnemonic.Lea,
            .. InstructionForms.Conditional,
        ];
        return [.. InstructionForms.Of(safe)
            .Select(row => ((Code)row[0], (OperandForm)row[1]))
            .Where(row => row.Item2 is OperandForm.Register or OperandForm.HighByte || row.Item1.Mnemonic() == Mnemonic.Lea)];
    }

    /// <summary>Bits of RFLAGS for the flags that arithmetic writes.</summary>
    private static ulong ToFlags(RflagsBits bits)
    {
        ReadOnlySpan<(RflagsBits, ulong)> map =
        [
            (RflagsBits.CF, RFlags.CF), (RflagsBits.PF, RFlags.PF), (RflagsBits.AF, RFlags.AF), (RflagsBits.ZF, RFlags.ZF),
            (RflagsBits.SF, RFlags.SF), (RflagsBits.OF, RFlags.OF),
        ];
        ulong flags = 0;
        foreach ((RflagsBits bit, ulong flag) in map)
        {
            flags |= (bits & bit) != 0 ? flag : 0;
        }

        return flags;
    }

    /// <summary>An instruction of a table that reads no undefined flag.</summary>
    private Instruction Next((Code Code, OperandForm Form)[] table)
    {
        while (true)
        {
            (Code code, OperandForm form) = table[_random.Next(table.Length)];
            Instruction instruction = InstructionForms.Build(code, form, _random);
            if ((ToFlags(instruction.RflagsRead) & Undefined) == 0)
            {
                return instruction;
            }
        }
    }

    private void Add(in Instruction instruction)
    {
        _bytes.AddRange(InstructionForms.Encode(instruction));
        _text.Add(instruction.ToString());

        // A shift by zero leaves the flags, so that it never makes a flag defined.
        ulong defined = UndefinedFlags.IsShift(instruction) ? 0 : ToFlags(instruction.RflagsModified);
        Undefined = (Undefined & ~defined) | UndefinedFlags.AtMost(instruction);
    }

    /// <summary>Jcc over one instruction.</summary>
    private void AddBranchAround()
    {
        byte opcode = (byte)(0x70 + _random.Next(16));
        IcedDecoder.Create(64, [opcode, 0]).Decode(out Instruction branch);
        if ((ToFlags(branch.RflagsRead) & Undefined) != 0)
        {
            return;
        }

        ulong before = Undefined;
        int at = _bytes.Count;
        _bytes.AddRange([opcode, 0]);
        _text.Add($"{branch.Mnemonic} +1");
        Add(Next(Table));
        _bytes[at + 1] = (byte)(_bytes.Count - at - 2);
        Undefined |= before;
    }
}
