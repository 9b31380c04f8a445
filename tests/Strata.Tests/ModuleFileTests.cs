namespace Strata.Tests;

/// <summary>The text form of a kernel's module.</summary>
public sealed class ModuleFileTests
{
    [Theory]
    [InlineData("vmlinuz", "vmlinuz")]
    [InlineData("boot/vmlinuz root=/dev/sda quiet", "boot/vmlinuz")]
    [InlineData("vmlinuz  two blanks", "vmlinuz")]
    [InlineData(@"my\ folder/vmlinuz quiet", "my folder/vmlinuz")]
    public void Parse_FileAndArguments_KeepsTheWholeTextAsTheString(string text, string path) =>
        Assert.Equal(new ModuleFile(path, text), ModuleFile.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData(" quiet")]
    public void Parse_NoFile_IsRefused(string text)
    {
        StrataException error = Assert.Throws<StrataException>(() => ModuleFile.Parse(text));

        Assert.Equal(StrataError.BadInput, error.Error);
    }
}
