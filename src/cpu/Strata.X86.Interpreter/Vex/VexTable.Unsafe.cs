using Iced.Intel;

namespace Strata.X86.Interpreter.Vex;

/// <summary>
/// The instructions of AVX, AVX2, FMA, F16C and of the vector forms of AES and PCLMULQDQ: a kernel a mnemonic. What else there is to an
/// encoding, its operands and sizes, comes from the decoder's own tables.
/// </summary>
internal static unsafe partial class VexTable
{
    private static readonly Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> Lines = Build();
    private static readonly VexForm?[] Forms = new VexForm?[Enum.GetValues<Code>().Length];

    /// <summary>Mnemonics that have a line here; encodings other than VEX among theirs are not this processor's.</summary>
    public static IEnumerable<Mnemonic> Mnemonics => Lines.Keys;

    /// <summary>Found at an encoding's first use: most guests use few. A fact, so that sharing it between threads is harmless.</summary>
    public static VexForm FormOf(Code code) => Forms[(int)code] ??= Make(code);

    /// <summary>Bytes of the longest vector of an encoding: VEX.L.</summary>
    public static int LengthOf(Code code) => code.ToOpCode().L == 1 ? 32 : 16;

    private static VexForm Make(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        (nint kernel, VexTraits traits) = info.Encoding == EncodingKind.VEX ? Lines[code.Mnemonic()] : default;
        return new VexForm(kernel, LengthOf(code), info.W == 1, traits);
    }

    private static Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> Build()
    {
        Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines = [];
        AddMoves(lines);
        AddLogic(lines);
        AddIntegers(lines);
        AddShifts(lines);
        AddPermutes(lines);
        AddFloats(lines);
        AddConversions(lines);
        AddFused(lines);
        return lines;
    }

    private static void Add(
        this Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines,
        Mnemonic mnemonic,
        delegate*<VexOperands*, void> kernel,
        VexTraits traits = VexTraits.None) => lines.Add(mnemonic, ((nint)kernel, traits));
}
