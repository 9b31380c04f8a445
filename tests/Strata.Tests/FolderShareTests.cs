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
    [InlineData("data:readonly", "data", "readonly", false)]
    public void Parse_Text_HasFolderTagAndAccess(string text, string folder, string tag, bool readOnly) =>
        Assert.Equal(new FolderShare(folder, tag, readOnly), FolderShare.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData(":tag")]
    [InlineData("/srv/data:tag,writable")]
    [InlineData("/srv/data:tag,readonly,more")]
    public void Parse_NoShare_TellsTheForms(string text)
    {
        StrataException error = Assert.Throws<StrataException>(() => FolderShare.Parse(text));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("FOLDER:TAG,readonly", error.Message, StringComparison.Ordinal);
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
        return await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.StartAsync(new MachineSpec { Kernel = kernel, Shares = shares }));
    }
}
