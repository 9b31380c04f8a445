using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Harness;
using Strata.Disks.Vhd;

namespace Strata.Disks.Tests.Images;

/// <summary>The names of backing images come from the image: they are followed only as far as the caller allows.</summary>
public sealed class BackingTests : IDisposable
{
    private const int DiskSize = 1 << 20;
    private readonly TemporaryFolder _folder = new();
    private readonly TemporaryFolder _elsewhere = new();

    [Theory]
    [InlineData(BackingAccess.SameFolder, true)]
    [InlineData(BackingAccess.Any, true)]
    [InlineData(BackingAccess.None, false)]
    public void Open_BackingInTheFolder_IsOpenedUnlessNoneIsAllowed(BackingAccess access, bool isOpened)
    {
        WriteRaw(_folder.PathOf("base.raw"));
        string overlay = Overlay("base.raw", "raw");

        AssertOpens(overlay, access, isOpened, "not allowed");
    }

    [Theory]
    [InlineData(BackingAccess.SameFolder, false)]
    [InlineData(BackingAccess.Any, true)]
    public void Open_BackingElsewhere_NeedsToBeAllowed(BackingAccess access, bool isOpened)
    {
        string secret = WriteRaw(_elsewhere.PathOf("secret.raw"));
        string overlay = Overlay(secret, "raw");

        AssertOpens(overlay, access, isOpened, "not in its folder");
    }

    [Fact]
    public void Open_BackingThroughDots_IsElsewhere()
    {
        WriteRaw(_elsewhere.PathOf("secret.raw"));
        string name = Path.GetRelativePath(_folder.PathOf(string.Empty), _elsewhere.PathOf("secret.raw"));

        AssertOpens(Overlay(name, "raw"), BackingAccess.SameFolder, isOpened: false, "not in its folder");
    }

    [Fact]
    public void Open_BackingThroughALink_IsWhereTheLinkLeads()
    {
        WriteRaw(_elsewhere.PathOf("secret.raw"));
        string overlay = Overlay(
            "link.raw", "raw", () => File.CreateSymbolicLink(_folder.PathOf("link.raw"), _elsewhere.PathOf("secret.raw")));

        AssertOpens(overlay, BackingAccess.SameFolder, isOpened: false, "not in its folder");
    }

    [Theory]
    [InlineData("nbd://host/disk")]
    [InlineData("json:{}")]
    [InlineData("http://host/disk.raw")]
    public void Open_BackingThatIsNoFile_IsRefused(string name) =>
        AssertOpens(Renamed(name, "raw"), BackingAccess.Any, isOpened: false, "no local file");

    [Fact]
    public void Open_MissingBacking_NamesIt() => AssertOpens(Renamed("gone.raw", "raw"), BackingAccess.Any, isOpened: false, "gone.raw");

    [Fact]
    public void Open_ImageThatBacksItself_IsRefused() =>
        AssertOpens(Renamed("overlay.qcow2", "qcow2"), BackingAccess.Any, isOpened: false, "backed by itself");

    [Fact]
    public void Open_ChainBeyondTheBound_IsRefused()
    {
        WriteRaw(_folder.PathOf("0"));
        for (int i = 1; i <= DiskOpenOptions.LongestChain + 1; i++)
        {
            Qcow2Image.CreateOverlay(_folder.PathOf($"{i}"), RawDisk.Open(_folder.PathOf("0"), readOnly: true), $"{i - 1}").Dispose();
            using Qcow2Image image = Qcow2Image.Open(_folder.PathOf($"{i}"), new DiskOpenOptions { Backing = BackingAccess.Detached });
            image.ChangeBackingName($"{i - 1}", i == 1 ? "raw" : "qcow2");
        }

        AssertOpens(_folder.PathOf($"{DiskOpenOptions.LongestChain}"), BackingAccess.SameFolder, isOpened: true, string.Empty);
        AssertOpens(_folder.PathOf($"{DiskOpenOptions.LongestChain + 1}"), BackingAccess.SameFolder, isOpened: false, "more than 64");
    }

    [Fact]
    public void Open_GuessedBackingThatLeadsFurther_IsRefused()
    {
        WriteRaw(_folder.PathOf("secret.raw"));
        string middle = Overlay("secret.raw", "raw", name: "middle");
        Assert.True(File.Exists(middle));
        string overlay = Overlay("middle", "qcow2");
        using (Qcow2Image image = Qcow2Image.Open(overlay, new DiskOpenOptions { Backing = BackingAccess.Detached }))
        {
            image.ChangeBackingName("middle", format: null); // as an image whose base was once raw, and written by a guest
        }

        AssertOpens(overlay, BackingAccess.Any, isOpened: false, "does not state the format");
    }

    [Fact]
    public void Write_QcowHeaderToADiskGuessedToBeRaw_IsRefused()
    {
        string path = WriteRaw(_folder.PathOf("guest.img"));
        byte[] header = File.ReadAllBytes(Overlay("guest.img", "raw")).AsSpan(0, 512).ToArray();

        using (DiskImage disk = DiskImages.Open(path))
        {
            Assert.Equal("raw", disk.Format);
            Assert.Contains("format=raw", Assert.Throws<DiskImageException>(() => disk.Write(0, header)).Message, StringComparison.Ordinal);
            disk.Write(0, new byte[8192]);
            disk.Write(512, header);
        }

        Assert.Equal("raw", DiskImages.Probe(path));
    }

    [Fact]
    public void Write_QcowHeaderToADiskStatedToBeRaw_IsTheGuestsBusiness()
    {
        string path = WriteRaw(_folder.PathOf("guest.img"));
        byte[] header = File.ReadAllBytes(Overlay("guest.img", "raw")).AsSpan(0, 512).ToArray();

        using (DiskImage disk = DiskImages.Open(path, new DiskOpenOptions { Format = "raw" }))
        {
            disk.Write(0, header);
        }

        using DiskImage again = DiskImages.Open(path, new DiskOpenOptions { Format = "raw" });
        Assert.Equal("raw", again.Format);
    }

    [Fact]
    public void Open_FixedVhdWhoseGuestWroteAQcowHeader_WantsTheFormatStated()
    {
        WriteRaw(_folder.PathOf("secret.raw"));
        byte[] header = File.ReadAllBytes(Overlay("secret.raw", "raw")).AsSpan(0, 4096).ToArray();
        string path = _folder.PathOf("guest.vhd");
        VhdImage.Create(path, DiskSize, new VhdOptions { Fixed = true });
        using (DiskImage disk = DiskImages.Open(path))
        {
            disk.Write(0, header);
        }

        string refusal = Assert.Throws<DiskImageException>(() => DiskImages.Open(path)).Message;

        Assert.Contains("qcow2 and vhd", refusal, StringComparison.Ordinal);
        Assert.Contains("format=", refusal, StringComparison.Ordinal);
        byte[] read = new byte[header.Length];
        using DiskImage stated = DiskImages.Open(path, new DiskOpenOptions { Format = "vhd" });
        stated.Read(0, read);
        Assert.Equal(header, read);
    }

    [Theory]
    [InlineData("qcow2")]
    [InlineData("vmdk")]
    [InlineData("vdi")]
    [InlineData("vhd")]
    [InlineData("vhdx")]
    public void Write_AnotherFormatsImageToADiskGuessedToBeRaw_StaysRaw(string format)
    {
        string path = WriteRaw(_folder.PathOf("guest.img"));
        string other = _folder.PathOf("other");
        DiskImages.Create(other, format, new DiskCreateOptions { Size = DiskSize }).Dispose();
        byte[] image = File.ReadAllBytes(other);

        using (DiskImage disk = DiskImages.Open(path))
        {
            Assert.Throws<DiskImageException>(() => disk.Write(0, image.AsSpan(0, 512)));
            Exception? atTheEnd = Record.Exception(() => disk.Write(DiskSize - 512, image.AsSpan(^512..)));
            Assert.Equal(format == "vhd" ? typeof(DiskImageException) : null, atTheEnd?.GetType()); // it alone is known by its end
        }

        Assert.Equal("raw", DiskImages.Probe(path));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _elsewhere.Dispose();
    }

    private static string WriteRaw(string path)
    {
        RawDisk.Create(path, DiskSize).Dispose();
        return path;
    }

    private static void AssertOpens(string path, BackingAccess access, bool isOpened, string reason)
    {
        DiskOpenOptions options = new() { ReadOnly = true, Backing = access };
        if (isOpened)
        {
            using DiskImage disk = DiskImages.Open(path, options);
            disk.Read(0, new byte[512]);
            return;
        }

        Assert.Contains(reason, Assert.Throws<DiskImageException>(() => DiskImages.Open(path, options)).Message, StringComparison.Ordinal);
    }

    private string Overlay(string backingFile, string format, Action? before = null, string name = "overlay.qcow2")
    {
        before?.Invoke();
        string path = _folder.PathOf(name);
        Qcow2Image.Create(
            path, new DiskCreateOptions { Size = DiskSize, BackingFile = backingFile, BackingFormat = format, Overwrite = true }).Dispose();
        return path;
    }

    /// <summary>An overlay with a name that creation would refuse.</summary>
    private string Renamed(string backingFile, string format)
    {
        WriteRaw(_folder.PathOf("base.raw"));
        string path = Overlay("base.raw", "raw");
        using Qcow2Image image = Qcow2Image.Open(path, new DiskOpenOptions { Backing = BackingAccess.Detached });
        image.ChangeBackingName(backingFile, format);
        return path;
    }
}
