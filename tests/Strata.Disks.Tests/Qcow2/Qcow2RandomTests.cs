using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Qcow2;

/// <summary>Random operations on images of every shape against plain bytes, and QEMU's tools as the judge of the files.</summary>
public sealed class Qcow2RandomTests : IDisposable
{
    private readonly TemporaryFolder _folder = new(inMemory: true);

    public static TheoryData<int, int, int, bool, int> Shapes => new()
    {
        // version, cluster size, refcount bits, lazy, seed
        { 3, 65536, 16, false, 1 },
        { 3, 512, 16, false, 2 },
        { 3, 512, 64, false, 3 },
        { 3, 4096, 1, false, 4 },
        { 3, 1024, 2, false, 5 },
        { 3, 4096, 4, true, 6 },
        { 3, 4096, 8, false, 7 },
        { 3, 4096, 32, false, 8 },
        { 3, 2 << 20, 16, true, 9 },
        { 2, 65536, 16, false, 10 },
        { 2, 512, 16, false, 11 },
    };

    [QemuTheory]
    [MemberData(nameof(Shapes))]
    public void Operations_OnAnImageOfAnyShape_AreThoseOfAPlainFile(int version, int clusterSize, int refcountBits, bool lazy, int seed)
    {
        const int size = (9 << 20) + 512;
        string path = _folder.PathOf("disk.qcow2");
        DiskModel model = new(size);
        Random random = new(seed);
        using (DiskImage disk = Qcow2Image.Create(
            path, new DiskCreateOptions { Size = size, Version = version, ClusterSize = clusterSize, RefcountBits = refcountBits, LazyRefcounts = lazy }))
        {
            for (int i = 0; i < 300; i++)
            {
                model.Step(disk, random);
            }

            model.AssertSame(disk);
        }

        QemuTools.AssertSound(path);
        QemuTools.AssertSame(path, "qcow2", _folder.Write("model.raw", model.Bytes), "raw");
        using DiskImage again = Qcow2Image.Open(path, new DiskOpenOptions { ReadOnly = true });
        model.AssertSame(again);
        Assert.True(again.Check(repair: false).IsClean);
    }

    public void Dispose() => _folder.Dispose();
}
