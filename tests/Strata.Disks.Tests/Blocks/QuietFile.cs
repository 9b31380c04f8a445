using Strata.Disks.Blocks;

namespace Strata.Disks.Tests.Blocks;

/// <summary>An image file that does not wait for the host's disk, for tests that open thousands of them.</summary>
internal sealed class QuietFile(string path, bool readOnly) : HostFile(path, OpenHandle(path, readOnly), readOnly)
{
    public override void Flush()
    {
    }
}
