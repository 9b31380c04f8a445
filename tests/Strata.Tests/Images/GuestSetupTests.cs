using System.Text;
using Strata.Images;

namespace Strata.Tests.Images;

/// <summary>What a system is told on the kernel's command line: nothing gets there that could be something else.</summary>
public sealed class GuestSetupTests
{
    private const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm0pVmyV2rCwgn1n1hp0vXg0w6y3bq1sYh8hGJw1k2P someone@somewhere";

    [Fact]
    public void ToCommandLine_Default_IsEmpty() => Assert.Equal(string.Empty, GuestSetup.Default.ToCommandLine());

    [Fact]
    public void ToCommandLine_Everything_IsWordsForTheInitialRamDisk()
    {
        GuestSetup setup = new() { HostName = "web-1", TimeZone = "America/Argentina/Salta", SshKeys = $"# mine\r\n\r\n{Key}\r\n" };

        string words = setup.ToCommandLine();

        string encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes(Key + "\n"));
        Assert.Equal($" strata.hostname=web-1 strata.timezone=America/Argentina/Salta strata.ssh-key={encoded}", words);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-a")]
    [InlineData("a b")]
    [InlineData("a\nb")]
    [InlineData("a;reboot")]
    [InlineData("a.b")]
    [InlineData("a123456789012345678901234567890123456789012345678901234567890123")]
    public void ToCommandLine_ImpossibleHostName_IsRefused(string name) => AssertRefused(new GuestSetup { HostName = name }, "host name");

    [Theory]
    [InlineData("")]
    [InlineData("../../etc/passwd")]
    [InlineData("/etc/localtime")]
    [InlineData("Europe/Rome x")]
    public void ToCommandLine_ImpossibleTimeZone_IsRefused(string zone) => AssertRefused(new GuestSetup { TimeZone = zone }, "time zone");

    [Fact]
    public void ToCommandLine_EmptyKeyFile_SaysWhatToGive() => AssertRefused(new GuestSetup { SshKeys = "\n# nothing\n" }, ".pub");

    [Fact]
    public void ToCommandLine_PrivateKey_IsRefusedAndNotRepeated()
    {
        StrataException error = AssertRefused(new GuestSetup { SshKeys = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n" }, "private key");

        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToCommandLine_LineThatIsNoKey_ShowsIt() =>
        AssertRefused(new GuestSetup { SshKeys = $"{Key}\nhello world\n" }, "hello world");

    [Fact]
    public void ToCommandLine_MoreKeysThanFit_SaysHowMany() =>
        AssertRefused(new GuestSetup { SshKeys = string.Concat(Enumerable.Repeat(Key + "\n", 40)) }, "fewer keys");

    private static StrataException AssertRefused(GuestSetup setup, string cause)
    {
        StrataException error = Assert.Throws<StrataException>(() => setup.ToCommandLine());
        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains(cause, error.Message, StringComparison.Ordinal);
        return error;
    }
}
