using Strata.X86.Kvm.Interface;
using Strata.X86.Registers;

namespace Strata.X86.Kvm.State;

/// <summary>Segment registers between our form and KVM's.</summary>
internal static class SegmentTransfer
{
    private const uint LargestByteLimit = 0xFFFFF;

    public static KvmSegment ToKvm(in SegmentState s)
    {
        uint a = s.Attributes;
        return new KvmSegment
        {
            Base = s.Base,
            Limit = s.Limit,
            Selector = s.Selector,
            Type = (byte)(a & SegmentState.TypeMask),
            S = Bit(a, SegmentState.NonSystem),
            Dpl = (byte)s.Dpl,
            Present = s.IsUsable ? Bit(a, SegmentState.Present) : (byte)0,
            Avl = Bit(a, SegmentState.Available),
            L = Bit(a, SegmentState.Long),
            Db = Bit(a, SegmentState.Big),
            G = s.Limit > LargestByteLimit ? (byte)1 : Bit(a, SegmentState.Granularity),
            Unusable = s.IsUsable ? (byte)0 : (byte)1,
        };
    }

    public static SegmentState FromKvm(in KvmSegment k) => new()
    {
        Base = k.Base,
        Limit = k.Limit,
        Selector = k.Selector,
        Attributes = (k.Type & SegmentState.TypeMask) | If(k.S, SegmentState.NonSystem) | ((uint)(k.Dpl & 3) << SegmentState.DplShift)
            | If(k.Present, SegmentState.Present) | If(k.Avl, SegmentState.Available) | If(k.L, SegmentState.Long)
            | If(k.Db, SegmentState.Big) | If(k.G, SegmentState.Granularity) | If(k.Unusable, SegmentState.Unusable),
    };

    private static byte Bit(uint attributes, uint mask) => (attributes & mask) != 0 ? (byte)1 : (byte)0;

    private static uint If(byte flag, uint mask) => flag != 0 ? mask : 0;
}
