namespace Strata.Tests;

public sealed class UserFoldersTests
{
    [Theory]
    [InlineData("/fast/cache", "/home/me", "/fast/cache")]
    [InlineData(null, "/home/me", "/home/me/.cache")]
    [InlineData("", "/home/me", "/home/me/.cache")]
    [InlineData("relative/folder", "/home/me", "/home/me/.cache")]
    [InlineData("/fast/cache", null, "/fast/cache")]
    public void Choose_VariableAndHome_IsTheFirstAbsoluteOne(string? value, string? home, string expected) =>
        Assert.Equal(expected, UserFolders.Choose("XDG_CACHE_HOME", value, home, ".cache"));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("relative")]
    public void Choose_NoHome_NamesTheVariableAndTakesNoSharedFolder(string? home)
    {
        StrataException error = Assert.Throws<StrataException>(() => UserFolders.Choose("XDG_CACHE_HOME", null, home, ".cache"));

        Assert.Equal(StrataError.Host, error.Error);
        Assert.Contains("set XDG_CACHE_HOME", error.Message, StringComparison.Ordinal);
    }
}
