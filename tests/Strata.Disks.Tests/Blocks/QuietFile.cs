namespace Strata.Disks.Tests.Blocks;

/// <summary>An image file that does not wait for the host's disk, for tests that open thousands of them.</summary>
/// <param name="hasHoles">Whether the host can punch holes.</param>
internal sealed class QuietFile(string path, bool readOnly, bool hasHoles = true) : ImageFile(path, OpenHandle(path, readOnly), readOnly)
{
    public override void Flush()
    {
    }

    private protected override bool PunchHole(long offset, long length) => hasHoles && base.PunchHole(offset, length);
}
