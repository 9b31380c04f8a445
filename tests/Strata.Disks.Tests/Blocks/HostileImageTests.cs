namespace Strata.Disks.Tests.Blocks;

/// <summary>Images from elsewhere may say anything.</summary>
public sealed class HostileImageTests : IDisposable
{
    private readonly ImageFolder _folder = new();

    public static TheoryData<string> Kinds => ImageKind.Names;

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Open_AnImageWithChangedMetadata_WorksOrIsRefused(string name)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("hostile.image");
        kind.Create(path, 128 << 10);
        using (DiskImage image = kind.Open(path, false))
        {
            image.Write(512, new byte[] { 1, 2, 3, 4 }.Concat(new byte[508]).ToArray());
        }

        HostileImage hostile = new(path, kind.OpenFile, kind.Reseal);

        (int opened, int refused) = hostile.Run(TestEffort.Changes, seed: 11);

        // Both happen often: changes reach what is checked, and what is not checked does no harm.
        Assert.InRange(opened, TestEffort.Changes / 100, TestEffort.Changes);
        Assert.InRange(refused, TestEffort.Changes / 100, TestEffort.Changes);
    }

    public void Dispose() => _folder.Dispose();
}
