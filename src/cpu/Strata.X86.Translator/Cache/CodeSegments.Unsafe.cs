using System.Runtime.InteropServices;
using Strata.Core.Posix;
using Strata.X86.Execution;
using Strata.X86.Registers;
using Strata.X86.Translator.Blocks;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// Numbers for the code segments that code with segments runs in. The number is part of a block's key and of the jump table's tags, in
/// the bits above a linear address of 32 bits; zero stands for flat code. On the vCPU's thread.
/// </summary>
internal sealed unsafe class CodeSegments : IDisposable
{
    /// <summary>With the highest bit clear, no tag looks like that of a 64-bit address in the upper half.</summary>
    private const int Most = 0x7FFF;

    /// <summary>Far jumps of one block may need so many.</summary>
    private const int Reserve = 256;

    private const uint SelectorSpace = 0x10000;

    private readonly VcpuContext* _context;
    private readonly Dictionary<CodeSegment, ushort> _ids = [];
    private readonly List<CodeSegment> _segments = [default];
    private CodeSegment _last;
    private ushort _lastId;

    // Of the segment registers that were looked at last: exits come far more often than they change
    private readonly SegmentState[] _seen = new SegmentState[Bridge.SegmentCount];
    private readonly ulong[] _ends = new ulong[2 * Bridge.SegmentCount];
    private ModeBits _seenMode;
    private ushort _seenId;

    // SAFETY: the context is the vCPU's, which outlives its engine; the table is released in Dispose, and indexed by 16 bits.
    public CodeSegments(VcpuContext* context)
    {
        _context = context;
        RealIds = (ushort*)HostMapping.Reserve(SelectorSpace * sizeof(ushort));
    }

    /// <summary>The numbers of plain segments of real mode by selector; 0 for one that is not known yet.</summary>
    public ushort* RealIds { get; }

    /// <summary>Whether so many numbers are in use that everything is to be dropped before more code is translated.</summary>
    public bool IsFull => _segments.Count > Most - Reserve;

    public CodeSegment this[ushort id] => _segments[id];

    /// <summary>The number of the segment that the processor executes in; 0 in flat code.</summary>
    public ushort CurrentId
    {
        get
        {
            if (!CodeModes.Of(_context).IsSegmented())
            {
                return 0;
            }

            Look();
            return _seenId;
        }
    }

    /// <summary>Where the segments end, in the order of <see cref="Bridge.Ends"/>.</summary>
    public ReadOnlySpan<ulong> Ends
    {
        get
        {
            Look();
            return _ends;
        }
    }

    /// <summary>ES to GS.</summary>
    private ReadOnlySpan<SegmentState> Registers => new(
        (byte*)_context + Emit.SegmentedHome.OffsetOf(SegmentIndex.Es), Bridge.SegmentCount);

    private CodeSegment Current
    {
        get
        {
            ref X86CpuState s = ref _context->State;
            ModeBits mode = _context->Mode;
            bool isVirtual = (mode & ModeBits.Virtual8086) != 0;
            bool isReal = (mode & ModeBits.Protected) == 0;
            SegmentTraits traits = ((mode & ModeBits.Code32) != 0 ? SegmentTraits.Code32 : 0)
                | ((mode & ModeBits.Stack32) != 0 ? SegmentTraits.Stack32 : 0)
                | (isReal ? SegmentTraits.Real : 0)
                | (isVirtual ? SegmentTraits.Virtual : 0);
            bool hasRights = isReal || isVirtual;
            bool isOpen = SegmentEnds.Of(s.Cs, hasRights).Read > CodeSegment.RealLimit
                && IsOpen(SegmentEnds.Of(s.Ds, hasRights))
                && IsOpen(SegmentEnds.Of(s.Es, hasRights))
                && IsOpen(SegmentEnds.Of(s.Ss, hasRights));
            return new CodeSegment((uint)s.Cs.Base, s.Cs.Limit, traits | (isOpen ? SegmentTraits.Open : 0));
        }
    }

    /// <summary>Brings what was seen up to the registers.</summary>
    private void Look()
    {
        ReadOnlySpan<SegmentState> registers = Registers;
        if (_seenId != 0
            && _seenMode == _context->Mode
            && MemoryMarshal.AsBytes(registers).SequenceEqual(MemoryMarshal.AsBytes<SegmentState>(_seen)))
        {
            return;
        }

        registers.CopyTo(_seen);
        _seenMode = _context->Mode;
        bool hasRights = (_seenMode & (ModeBits.Protected | ModeBits.Virtual8086)) != ModeBits.Protected;
        for (int i = 0; i < registers.Length; i++)
        {
            (_ends[2 * i], _ends[(2 * i) + 1]) = SegmentEnds.Of(registers[i], hasRights);
        }

        _seenId = IdOf(Current);
    }

    public ushort IdOf(in CodeSegment segment)
    {
        if (_lastId != 0 && segment == _last)
        {
            return _lastId;
        }

        if (!_ids.TryGetValue(segment, out ushort id))
        {
            id = (ushort)_segments.Count;
            _segments.Add(segment);
            _ids.Add(segment, id);
            if (segment.IsPlainReal && segment.Base % 16 == 0 && segment.Base < SelectorSpace * 16)
            {
                RealIds[segment.Base / 16] = id;
            }
        }

        (_last, _lastId) = (segment, id);
        return id;
    }

    /// <summary>Forgets all numbers: blocks and entries of the jump table that have them must be gone.</summary>
    public void Clear()
    {
        _ids.Clear();
        _segments.RemoveRange(1, _segments.Count - 1);
        _lastId = _seenId = 0;
        new Span<ushort>(RealIds, (int)SelectorSpace).Clear();
    }

    public void Dispose() => HostMapping.Release((nint)RealIds, SelectorSpace * sizeof(ushort));

    private static bool IsOpen(in SegmentEnds ends) => ends.Read > CodeSegment.RealLimit && ends.Write > CodeSegment.RealLimit;
}
