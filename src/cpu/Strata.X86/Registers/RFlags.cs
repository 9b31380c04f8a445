namespace Strata.X86.Registers;

/// <summary>
/// Bits of RFLAGS. Intel SDM Vol. 1, "EFLAGS Register".
/// <code>
///  21 20  19  18 17 16 15 14 13 12 11 10  9  8  7  6  5  4  3  2  1  0
/// |ID|VIP|VIF|AC|VM|RF| 0|NT| IOPL|OF|DF|IF|TF|SF|ZF| 0|AF| 0|PF| 1|CF|
/// </code>
/// </summary>
public static class RFlags
{
    public const ulong CF = 1 << 0;
    public const ulong Reserved1 = 1 << 1;
    public const ulong PF = 1 << 2;
    public const ulong AF = 1 << 4;
    public const ulong ZF = 1 << 6;
    public const ulong SF = 1 << 7;
    public const ulong TF = 1 << 8;
    public const ulong IF = 1 << 9;
    public const ulong DF = 1 << 10;
    public const ulong OF = 1 << 11;
    public const ulong IOPL = 3 << 12;
    public const ulong NT = 1 << 14;
    public const ulong RF = 1 << 16;
    public const ulong VM = 1 << 17;
    public const ulong AC = 1 << 18;
    public const ulong VIF = 1 << 19;
    public const ulong VIP = 1 << 20;
    public const ulong ID = 1 << 21;

    /// <summary>The six flags that arithmetic writes.</summary>
    public const ulong Arithmetic = CF | PF | AF | ZF | SF | OF;

    /// <summary>Every bit that is not reserved.</summary>
    public const ulong Defined = Arithmetic | TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID;
}
