using System.Globalization;

namespace Strata.Disks.Tests.Blocks;

/// <summary>What every kind of image owes: the bytes of a plain array, for us and for qemu-img, in both directions.</summary>
public sealed class ImageKindTests : IDisposable
{
    /// <summary>No multiple of any block size.</summary>
    private const int DiskSize = (9 << 20) + (3 * 512);

    private readonly ImageFolder _folder = new();

    public static TheoryData<string, int> KindsAndSeeds
    {
        get
        {
            TheoryData<string, int> cases = [];
            foreach (string name in ImageKind.AllNames)
            {
                cases.Add(name, 1);
                cases.Add(name, 2);
            }

            return cases;
        }
    }

    public static TheoryData<string> Kinds => ImageKind.Names;

    [Theory]
    [MemberData(nameof(KindsAndSeeds))]
    public void Operations_RandomOnesWithReopening_EqualAPlainArray(string name, int seed)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk.image");
        kind.Create(path, DiskSize);
        PlainDisk model = new(DiskSize, new Random(seed));

        WriteRandomly(kind, path, model, rounds: 6);

        using DiskImage image = kind.Open(path, true);
        model.ExpectSame(image);
        DiskCheckReport report = image.Check(repair: false);
        Assert.Empty(report.Errors);
        Assert.Equal(0, report.LeakedBytes);
    }

    [QemuImgTheory]
    [MemberData(nameof(KindsAndSeeds))]
    public void Image_WrittenByUs_IsReadAndCheckedByQemu(string name, int seed)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk.image");
        kind.Create(path, DiskSize);
        QemuImg.Check(kind.Format, path);
        PlainDisk model = new(DiskSize, new Random(seed + 100));

        WriteRandomly(kind, path, model, rounds: 3);

        QemuImg.Check(kind.Format, path);
        QemuImg.Compare(kind.Format, path, _folder.WriteRaw(model.Bytes));
    }

    [QemuImgTheory]
    [MemberData(nameof(Kinds))]
    public void Image_WrittenInTurnsByQemuAndUs_KeepsEveryByte(string name)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk.image");
        QemuImg.Run("create", "-f", kind.Format, "-o", kind.QemuOptions, path, DiskSize.ToString(CultureInfo.InvariantCulture));
        int size;
        using (DiskImage image = kind.Open(path, true))
        {
            // A format may round the size up when qemu-img creates it.
            size = (int)image.Sectors * 512;
            Assert.InRange(size, DiskSize, DiskSize + (1 << 20));
        }

        Random random = new(7);
        PlainDisk model = new(size, random);
        for (int round = 0; round < 3; round++)
        {
            WriteWithQemu(kind, path, model.Bytes, random);
            using (DiskImage image = kind.Open(path, true))
            {
                model.ExpectSame(image);
            }

            WriteRandomly(kind, path, model, rounds: 1);
            QemuImg.Check(kind.Format, path);
            QemuImg.Compare(kind.Format, path, _folder.WriteRaw(model.Bytes));
        }
    }

    [Theory]
    [InlineData("vdi-dynamic", 16L << 40)]
    [InlineData("vhd-dynamic", 2040L << 30)]
    [InlineData("vmdk-sparse", 2L << 40)]
    [InlineData("vhdx-dynamic", 64L << 40)]
    public void Create_OfTheLargestSize_HoldsItsLastSectorAndNothingLarger(string name, long size)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk.image");
        byte[] sector = [.. Enumerable.Repeat((byte)3, 512)];
        byte[] seen = new byte[512];
        kind.Create(path, size);

        using (DiskImage image = kind.OpenFile(new QuietFile(path, readOnly: false)))
        {
            image.Write(size - 512, sector);
        }

        using DiskImage reopened = kind.Open(path, true);
        reopened.Read(size - 512, seen);
        Assert.Equal(sector, seen);
        Assert.Equal(DiskExtentKind.Data, reopened.Map(size - 512, 512).Kind);
        DiskImageException error = Assert.Throws<DiskImageException>(() => kind.Create(_folder.PathOf("larger.image"), size + 512));
        Assert.Contains("at most", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Write_WhenOpenForReading_IsRefused(string name)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk.image");
        kind.Create(path, DiskSize);

        using DiskImage image = kind.Open(path, true);

        Assert.Throws<DiskImageException>(() => image.Write(0, new byte[512]));
        Assert.Throws<DiskImageException>(() => image.WriteZeros(0, 512));
        Assert.Throws<DiskImageException>(() => image.Discard(0, 512));
        image.Flush();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Access_OutsideTheDiskOrInsideASector_IsRefused(string name)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk.image");
        kind.Create(path, DiskSize);
        using DiskImage image = kind.Open(path, false);

        Assert.Throws<ArgumentOutOfRangeException>(() => image.Read(DiskSize, new byte[512]));
        Assert.Throws<ArgumentOutOfRangeException>(() => image.Write(DiskSize - 512, new byte[1024]));
        Assert.Throws<ArgumentOutOfRangeException>(() => image.Write(-512, new byte[512]));
        Assert.Throws<ArgumentOutOfRangeException>(() => image.Read(100, new byte[512]));
        Assert.Throws<ArgumentOutOfRangeException>(() => image.WriteZeros(512, long.MaxValue - 511));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Create_OverAnExistingFile_IsRefusedAndLeavesIt(string name)
    {
        string path = _folder.PathOf("disk.image");
        File.WriteAllText(path, "precious");

        DiskImageException error = Assert.Throws<DiskImageException>(() => ImageKind.Named(name).Create(path, DiskSize));

        Assert.Contains("remove the existing file", error.Message, StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Operations_FromSeveralThreads_KeepEachThreadsBytes(string name)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk.image");
        kind.Create(path, DiskSize);
        byte[] seen = new byte[DiskSize];

        using (DiskImage image = kind.OpenFile(new QuietFile(path, readOnly: false)))
        {
            // Thread n owns every fourth sector, so that all of them meet in every block.
            Parallel.For(0, 4, thread =>
            {
                byte[] sector = new byte[512];
                sector.AsSpan().Fill((byte)(thread + 1));
                for (int at = thread; at < DiskSize / 512; at += 4)
                {
                    image.Write(at * 512L, sector);
                    if (at % 1000 == thread)
                    {
                        image.Flush();
                    }
                }
            });
        }

        using DiskImage reopened = kind.Open(path, true);
        reopened.Read(0, seen);
        Assert.All(Enumerable.Range(0, DiskSize / 512), at => Assert.Equal((at % 4) + 1, seen[at * 512]));
    }

    public void Dispose() => _folder.Dispose();

    private static void WriteRandomly(ImageKind kind, string path, PlainDisk model, int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            using DiskImage image = kind.OpenFile(new QuietFile(path, readOnly: false, hasHoles: round % 2 == 0));
            for (int step = 0; step < 25; step++)
            {
                model.Step(image);
            }

            model.ExpectSame(image);
        }
    }

    private static void WriteWithQemu(ImageKind kind, string path, byte[] model, Random random)
    {
        List<string> commands = [];
        for (int count = 0; count < 8; count++)
        {
            int at = random.Next(model.Length / 512) * 512;
            int length = Math.Min((1 + random.Next(300)) * 512, model.Length - at);
            byte pattern = (byte)random.Next(1, 256);
            bool zeros = random.Next(5) == 0;
            commands.Add(
                FormattableString.Invariant(zeros ? (FormattableString)$"write -z {at} {length}" : $"write -P {pattern} {at} {length}"));
            model.AsSpan(at, length).Fill(zeros ? (byte)0 : pattern);
        }

        QemuImg.Io(kind.Format, path, commands);
    }
}
