using Strata.X86.Execution;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator;

/// <summary>What code with segments finds in the bridge.</summary>
public sealed unsafe partial class Translator
{
    // SAFETY: the state and the bridge are the vCPU's; indexes are those of the six segment registers.
    private void PrepareSegments()
    {
        bool hasRights = !Cpu.IsProtected;
        for (int i = 0; i < Bridge.SegmentCount; i++)
        {
            SegmentEnds ends = SegmentEnds.Of(_context->State.Segment((SegmentIndex)i), hasRights);
            _bridge->Ends[2 * i] = ends.Read;
            _bridge->Ends[(2 * i) + 1] = ends.Write;
        }
    }
}
