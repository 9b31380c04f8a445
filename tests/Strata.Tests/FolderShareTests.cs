namespace Strata.Tests;

/// <summary>What `--share` takes, and what it says about the rest.</summary>
public sealed class FolderShareTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("/srv/data", "/srv/data", "data", false)]
    [InlineData("/srv/data/", "/srv/data/", "data", false)]
    [InlineData("/srv/data:tag", "/srv/data", "tag", false)]
    [InlineData("/srv/data:tag,readonly", "/srv/data", "tag", true)]
    [InlineData("/srv/data:,readonly", "/srv/data", "data", true)]
    [InlineData("/srv/a:b/data", "/srv/a:b/data", "data", false)]
    [InlineData("/srv/data,readonly", "/srv/data", "data", true)]
    [InlineData("data:readonly", "data", "readonly", false)]
    [InlineData("/srv/a,,b", "/srv/a,b", "a_b", false)]
    [InlineData("/srv/a,,b:tag,readonly", "/srv/a,b", "tag", true)]
    [InlineData("/srv/a,,,readonly", "/srv/a,", "a_", true)]
    [InlineData("/srv/a:b/", "/srv/a:b/", "a_b", false)]
    [InlineData("/srv/a:b:tag", "/srv/a:b", "tag", false)]
    [InlineData("/srv/two words", "/srv/two words", "two_words", false)]
    public void Parse_Text_HasFolderTagAndAccess(string text, string folder, string tag, bool readOnly) =>
        Assert.Equal(new FolderShare(folder, tag, readOnly), FolderShare.Parse(text));

    [Theory]
    [InlineData("/srv/data:tag,owner=1000", 1000U, 1000U)]
    [InlineData("/srv/data,owner=1000:100", 1000U, 100U)]
    [InlineData("/srv/data,owner=0", 0U, 0U)]
    public void Parse_Owner_IsUserAndGroup(string text, uint user, uint group)
    {
        FolderShare share = FolderShare.Parse(text);

        Assert.Equal("/srv/data", share.Folder);
        Assert.Equal(new GuestOwner(user, group), share.Owner);
    }

    [Theory]
    [InlineData("")]
    [InlineData(":tag")]
    [InlineData("/srv/data,owner")]
    [InlineData("/srv/data,owner=")]
    [InlineData("/srv/data,owner=root")]
    [InlineData("/srv/data,owner=1:2:3")]
    [InlineData("/srv/data,owner=-1")]
    [InlineData("/srv/data,owner=4294967295")]
    [InlineData("/srv/data:tag,writable")]
    [InlineData("/srv/data:tag,readonly,more")]
    [InlineData("/srv/da,ta")]
    [InlineData("/srv/data,")]
    public void Parse_NoShare_TellsTheForms(string text)
    {
        StrataException error = Assert.Throws<StrataException>(() => FolderShare.Parse(text));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains(FolderShare.Syntax, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_FolderWithAColon_IsTheFolderThatExists()
    {
        string folder = Directory.CreateDirectory(_folder.PathOf("co:lon")).FullName;

        FolderShare share = FolderShare.Parse($"{folder},readonly");

        Assert.Equal(new FolderShare(folder, "co_lon", IsReadOnly: true), share);
    }

    /// <summary>FOLDER:TAG stays what it was, whatever else lies beside the folder.</summary>
    [Fact]
    public void Parse_FolderBeforeTheColonExistsToo_IsFolderAndTag()
    {
        Directory.CreateDirectory(_folder.PathOf("co:lon"));
        string folder = Directory.CreateDirectory(_folder.PathOf("co")).FullName;

        FolderShare share = FolderShare.Parse($"{folder}:lon");

        Assert.Equal(new FolderShare(folder, "lon"), share);
    }

    [Fact]
    public async Task Start_NoFolderBeforeTheColon_SaysWhereTheFolderEnds()
    {
        StrataException error = await StartAsync(FolderShare.Parse(_folder.PathOf("co:lon")));

        Assert.Contains("before the last colon", error.Message, StringComparison.Ordinal);
        Assert.Contains("the tag is lon", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/no/such/folder", "tag", "does not exist")]
    [InlineData("/", "", "is no tag")]
    [InlineData("/", "two words", "is no tag")]
    [InlineData("/", "a\"b", "is no tag")]
    [InlineData("/", "..", "is no tag")]
    [InlineData("/", "0123456789012345678901234567890123456", "is no tag")]
    public async Task Start_ShareThatCannotBe_SaysWhy(string folder, string tag, string reason)
    {
        StrataException error = await StartAsync(new FolderShare(folder, tag));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_SameTagTwice_SaysWhichOne()
    {
        StrataException error = await StartAsync(new FolderShare("/", "same"), new FolderShare("/tmp", "same"));

        Assert.Contains("\"same\"", error.Message, StringComparison.Ordinal);
    }

    private async Task<StrataException> StartAsync(params FolderShare[] shares)
    {
        string kernel = _folder.Write("kernel", BzImage.Create());
        return await Assert.ThrowsAsync<StrataException>(
            () => VirtualMachine.StartAsync(new MachineSpec { Kernel = kernel, Shares = shares }));
    }
}
