using System.Net;
using System.Net.Sockets;
using Strata.Display.Serving;
using Strata.Screens;

namespace Strata.Tests;

/// <summary>What `--display` understands.</summary>
public sealed class DisplaySpecTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("vnc=127.0.0.1:5901", "127.0.0.1:5901")]
    [InlineData("vnc=:7", "127.0.0.1:5907")]
    [InlineData("vnc=localhost:5901", "127.0.0.1:5901")]
    [InlineData("vnc=[::1]:5901", "[::1]:5901")]
    [InlineData("vnc=/run/user/vnc", "/run/user/vnc")]
    [InlineData("vnc=unix:/run/user/vnc", "/run/user/vnc")]
    public void Parse_Address_IsUnderstood(string text, string expected) =>
        Assert.Equal(expected, DisplaySpec.Parse(text).Vnc?.Listen?.ToString());

    [Fact]
    public void Parse_NoneTextAndVnc_AreKinds()
    {
        Assert.Equal(DisplaySpec.None, DisplaySpec.Parse("none"));
        Assert.True(DisplaySpec.Parse("text").IsText);
        Assert.Null(DisplaySpec.Parse("vnc").Vnc!.Listen);
        Assert.Equal("pw", DisplaySpec.Parse("vnc,password-file=pw").Vnc!.PasswordFile);
    }

    [Theory]
    [InlineData("sdl", "There is no display \"sdl\"")]
    [InlineData("vnc=5901", "is no address")]
    [InlineData("vnc=:99999", "is no address")]
    [InlineData("vnc=example.org:5900", "is no address")]
    [InlineData("vnc=127.0.0.1:5900,secret", "\"secret\" is no option")]
    public void Parse_Nonsense_SaysWhatIsUnderstood(string text, string expected) =>
        Assert.Contains(expected, Assert.Throws<StrataException>(() => DisplaySpec.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Resolve_AddressOfOthersWithoutPassword_IsRefusedWithARemedy()
    {
        VncSpec spec = VncSpec.Parse("0.0.0.0:5900");

        string message = Assert.Throws<StrataException>(() => spec.Resolve("m")).Message;

        Assert.Contains("everybody who reaches it", message, StringComparison.Ordinal);
        Assert.Contains("Give a password", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Resolve_PasswordFile_IsReadToItsFirstLineEnd()
    {
        _folder.Write("pw", "secret\nnothing of it\n"u8);

        VncServerOptions options = Assert.Single(VncSpec.Parse($"0.0.0.0:5900,password-file={_folder.PathOf("pw")}").Resolve("m"));

        Assert.NotNull(options.Password);
        Assert.DoesNotContain("secret", options.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("password-file=missing")]
    [InlineData("tls-cert=missing")]
    public void Resolve_FileThatIsNotThere_NamesIt(string option) => Assert.Contains(
        "The file missing of the VNC display", Assert.Throws<StrataException>(() => VncSpec.Parse("," + option).Resolve("m")).Message,
        StringComparison.Ordinal);

    [Fact]
    public void Resolve_NoAddress_TriesPortsOfThisHostFrom5900On()
    {
        IPEndPoint[] addresses = [.. new VncSpec().Resolve("m").Take(3).Select(options => Assert.IsType<IPEndPoint>(options.Listen))];

        Assert.Equal([5900, 5901, 5902], addresses.Select(address => address.Port));
        Assert.All(addresses, address => Assert.Equal(AddressFamily.InterNetwork, address.AddressFamily));
        Assert.All(addresses, address => Assert.True(IPAddress.IsLoopback(address.Address)));
    }
}
