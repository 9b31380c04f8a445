using System.Runtime.InteropServices;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator.Emit;

/// <summary>
/// What the homes of R8, R9, R12 and R13 hold in code with segments, which cannot name these registers: the bases of DS, ES and SS, and the
/// bridge. The guest's registers stay in the state meanwhile.
/// </summary>
internal static unsafe class SegmentedHome
{
    public const int DsBase = 8;
    public const int EsBase = 9;
    public const int SsBase = 10;
    public const int Bridge = 12;

    /// <summary>Offsets in the state.</summary>
    public static readonly int Segments = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Es));
    public static readonly int Base = (int)Marshal.OffsetOf<SegmentState>(nameof(SegmentState.Base));
    public static readonly int Limit = (int)Marshal.OffsetOf<SegmentState>(nameof(SegmentState.Limit));
    public static readonly int Attributes = (int)Marshal.OffsetOf<SegmentState>(nameof(SegmentState.Attributes));
    public static readonly int Selector = (int)Marshal.OffsetOf<SegmentState>(nameof(SegmentState.Selector));

    private static readonly int Ends = Cache.Bridge.OffsetOf(nameof(Cache.Bridge.Ends));

    /// <summary>Where the state has a segment register.</summary>
    public static int OffsetOf(SegmentIndex index) => Segments + ((int)index * sizeof(SegmentState));

    /// <summary>Where the bridge has the end of a segment.</summary>
    public static int EndOf(SegmentIndex index, bool write) => Ends + (((2 * (int)index) + (write ? 1 : 0)) * sizeof(ulong));

    /// <summary>The host register that holds a segment's base; −1 if none does.</summary>
    public static int BaseOf(SegmentIndex index) => index switch
    {
        SegmentIndex.Ds => DsBase,
        SegmentIndex.Es => EsBase,
        SegmentIndex.Ss => SsBase,
        _ => HostRegister.None,
    };

    /// <summary>Loads the registers from the state and the frame.</summary>
    // SAFETY: the offsets are those of the blittable state that the register points to.
    public static void EmitLoad(ref HostAssembler a, int state)
    {
        foreach (SegmentIndex index in (ReadOnlySpan<SegmentIndex>)[SegmentIndex.Ds, SegmentIndex.Es, SegmentIndex.Ss])
        {
            a.Load(BaseOf(index), state, OffsetOf(index) + Base);
        }

        a.LoadFrame(Bridge, Frame.Bridge);
    }
}
