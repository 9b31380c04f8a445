using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;

namespace Strata.X86.Interpreter.Dispatch;

/// <summary>
/// Which routine executes which instruction. An instruction group is a static class with
/// <c>static void Register(InstructionTable table)</c> that adds its routines, by mnemonic or, where operand encodings matter,
/// by Iced <c>Code</c> (a code wins over its mnemonic).
/// <para>A semantic routine is <c>static void Name(X86Cpu cpu, Op* op)</c>. On entry State.Rip already points to the next instruction
/// and the lazy flags are in the context. It reads and writes operands through <see cref="Operands"/>. On a fault it
/// has recorded an exception with <c>cpu.Raise…</c> and returns without architectural side effects.</para>
/// </summary>
public sealed unsafe class InstructionTable
{
    private readonly nint[] _byMnemonic = new nint[IcedConstants.MnemonicEnumCount];
    private readonly nint[] _byCode = new nint[IcedConstants.CodeEnumCount];
    private readonly bool[] _endsBlock = new bool[IcedConstants.MnemonicEnumCount];
    private readonly bool[] _codeEndsBlock = new bool[IcedConstants.CodeEnumCount];

    /// <summary>Adds a routine for every encoding of a mnemonic.</summary>
    public void Add(Mnemonic mnemonic, delegate*<X86Cpu, Op*, void> routine) => _byMnemonic[(int)mnemonic] = (nint)routine;

    /// <summary>Adds a routine for one encoding.</summary>
    public void Add(Code code, delegate*<X86Cpu, Op*, void> routine) => _byCode[(int)code] = (nint)routine;

    /// <summary>
    /// Adds a routine after which the block ends: it may change RIP, the mode, mappings, the interrupt flag, or halt.
    /// The routine sets State.Rip itself if it transfers control.
    /// </summary>
    public void AddEnding(Mnemonic mnemonic, delegate*<X86Cpu, Op*, void> routine)
    {
        Add(mnemonic, routine);
        _endsBlock[(int)mnemonic] = true;
    }

    /// <summary>As the other <c>AddEnding</c>, for one encoding.</summary>
    public void AddEnding(Code code, delegate*<X86Cpu, Op*, void> routine)
    {
        Add(code, routine);
        _codeEndsBlock[(int)code] = true;
    }

    /// <returns>The routine, or null for an instruction that this processor does not have (#UD).</returns>
    public delegate*<X86Cpu, Op*, void> Find(Code code, Mnemonic mnemonic) =>
        (delegate*<X86Cpu, Op*, void>)(_byCode[(int)code] != 0 ? _byCode[(int)code] : _byMnemonic[(int)mnemonic]);

    public bool EndsBlock(Code code, Mnemonic mnemonic) => _endsBlock[(int)mnemonic] || _codeEndsBlock[(int)code];

    private static class IcedConstants
    {
        // Iced keeps its own counts internal; the enums are dense from zero.
        public static readonly int MnemonicEnumCount = Enum.GetValues<Mnemonic>().Length;
        public static readonly int CodeEnumCount = Enum.GetValues<Code>().Length;
    }
}
