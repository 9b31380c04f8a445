using System.Text;
using Strata.Disks.Discs;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Discs;

/// <summary>Discs in ISO 9660 with the names of Rock Ridge and Joliet.</summary>
public sealed class Iso9660DiscTests
{
    private const int Primary = 16, Joliet = 17, Last = 18;

    [Fact]
    public void Create_SomeFiles_AreThereInEveryNameSpace()
    {
        DiscFile[] files =
        [
            new("user-data", Encoding.UTF8.GetBytes("#cloud-config\n")),
            new("meta-data", new byte[5000]),
            new("user-data-2.txt", ReadOnlyMemory<byte>.Empty),
        ];

        byte[] disc = Iso9660Disc.Create("cidata", files);

        DiscReader primary = new(disc, Primary);
        DiscReader joliet = new(disc, Joliet);
        Assert.Equal((1, "cidata"), (primary.Type, primary.Label));
        Assert.Equal((2, "cidata", "%/E"), (joliet.Type, joliet.Label, joliet.EscapeSequences));
        Assert.Equal([255, .. "CD001"u8, 1], disc[(Last * 2048)..((Last * 2048) + 7)]);
        Assert.Equal(["SP", "PX", "ER"], primary.RootFields);
        Assert.Equal(
            [("META_DAT.;1", "meta-data"), ("USER_DA0.;1", "user-data-2.txt"), ("USER_DAT.;1", "user-data")],
            primary.Files.Select(file => (file.Name, file.RockRidgeName)));
        Assert.Equal(["meta-data;1", "user-data-2.txt;1", "user-data;1"], joliet.Files.Select(file => file.Name));
        Assert.Equal("#cloud-config\n", Encoding.UTF8.GetString(primary.Files[2].Content));
        Assert.Equal(primary.Files.Select(file => file.Content), joliet.Files.Select(file => file.Content));
    }

    [Fact]
    public void Create_MoreFilesThanOneSectorOfRecords_AreAllThere()
    {
        DiscFile[] files =
            [.. Enumerable.Range(0, 120).Select(i => new DiscFile($"a-file-with-a-long-name-{i:d3}", new byte[] { (byte)i }))];

        byte[] disc = Iso9660Disc.Create("many", files);

        DiscReader primary = new(disc, Primary);
        Assert.Equal(120, primary.Files.Select(file => file.Name).Distinct().Count());
        Assert.Equal(
            files.Select(file => (file.Name, file.Content.Span[0])),
            primary.Files.Select(file => (file.RockRidgeName!, file.Content[0])).Order());
        Assert.Equal(files.Select(file => file.Name + ";1"), new DiscReader(disc, Joliet).Files.Select(file => file.Name));
    }

    [Fact]
    public void Create_NoFiles_IsAnEmptyDisc() => Assert.Empty(new DiscReader(Iso9660Disc.Create("empty", []), Primary).Files);

    [Theory]
    [InlineData("", "a")]
    [InlineData("seventeen letters", "a")]
    [InlineData("l\u00E4bel", "a")]
    [InlineData("label", "")]
    [InlineData("label", "a/b")]
    [InlineData("label", "twice")]
    public void Create_NameThatCannotBe_IsRefused(string label, string name)
    {
        DiscFile file = new(name, ReadOnlyMemory<byte>.Empty);

        Assert.Throws<ArgumentException>(() => Iso9660Disc.Create(label, [file, new DiscFile("twice", new byte[1])]));
    }

    [Fact]
    public void MemoryDisc_IsReadAndNeverWritten()
    {
        byte[] content = [.. Enumerable.Range(0, 2048).Select(i => (byte)(i / 512))];
        using MemoryDisc disc = new(content);
        byte[] read = new byte[512];

        disc.Read(1024, read);

        Assert.Equal((4L, true, (byte)2), (disc.Sectors, disc.IsReadOnly, read[511]));
        Assert.Throws<InvalidOperationException>(() => disc.Write(0, read));
        Assert.Throws<InvalidOperationException>(() => disc.WriteZeros(0, 512));
    }
}
