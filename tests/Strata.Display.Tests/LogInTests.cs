using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Strata.Display.Serving;
using Strata.Display.Tests.Harness;

namespace Strata.Display.Tests;

/// <summary>Who is let in.</summary>
public sealed class LogInTests
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    [Theory]
    [InlineData("003.003")]
    [InlineData("003.007")]
    [InlineData("003.008")]
    public async Task Password_Right_LetsIn(string version)
    {
        await using TestServer server = new(configure: options => options with { Password = new VncPassword("secret") });

        await using RfbClient client = await RfbClient.LogInAsync(await server.ConnectAsync(), version, "secret");

        await client.FollowAsync(server.Screen);
    }

    [Fact]
    public async Task Password_Wrong_IsSaidToBeWrong()
    {
        await using TestServer server = new(configure: options => options with { Password = new VncPassword("secret") });
        await using NetworkStream client = await server.ConnectAsync();
        await client.WriteAsync("RFB 003.008\n\u0002"u8.ToArray());
        byte[] hello = new byte[12 + 2 + 16];
        await client.ReadExactlyAsync(hello);
        await client.WriteAsync(new VncPassword("secreT").Answer(hello.AsSpan(14)));

        byte[] result = new byte[8];
        await client.ReadExactlyAsync(result);
        byte[] reason = new byte[result[7]];
        await client.ReadExactlyAsync(reason);

        Assert.Equal(1, result[3]);
        Assert.Equal("The password is wrong.", Encoding.ASCII.GetString(reason));
        await server.Log.WaitForAsync("its password was wrong");
    }

    /// <summary>
    /// The cipher's bits are the other way round than DES has them: the answer by OpenSSL's DES, of a key so turned round.
    /// </summary>
    [Fact]
    public void Answer_ChallengeAndPassword_IsAsOthersMakeIt()
    {
        byte[] challenge = [.. Enumerable.Range(0, 16).Select(i => (byte)i)];

        Assert.Equal("ADCD997F8E16FEE575E973F93C2B62B4", Convert.ToHexString(new VncPassword("secret12").Answer(challenge)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("123456789")]
    [InlineData("pass word")]
    [InlineData("päss")]
    public void Password_ThatClientsCannotSend_IsRefused(string text) => Assert.Throws<FormatException>(() => new VncPassword(text));

    [Fact]
    public async Task Tls_Client_SeesTheScreen()
    {
        using X509Certificate2 certificate = Make("server", ServerUse, issuer: null);
        await using TestServer server = new(configure: options => options with { Certificate = certificate });
        await using NetworkStream network = await server.ConnectAsync();
        await ChooseTlsAsync(network, 260);
        await using SslStream tls = new(network);
        await tls.AuthenticateAsClientAsync(Trusting(certificate));
        await ReadResultAsync(tls);

        await AssertServedAsync(tls);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Tls_ClientCertificateAskedFor_LetsInWhomItsAuthoritySigned(bool isSigned)
    {
        using X509Certificate2 authority = Make("authority", use: null, issuer: null);
        using X509Certificate2 certificate = Make("server", ServerUse, issuer: null);
        using X509Certificate2 client = Make("client", ClientUse, isSigned ? authority : null);
        await using TestServer server = new(configure: options => options with
        {
            Certificate = certificate, ClientAuthorities = [X509CertificateLoader.LoadCertificate(authority.RawData)],
        });
        await using NetworkStream network = await server.ConnectAsync();
        await ChooseTlsAsync(network, 260);
        await using SslStream tls = new(network);
        SslClientAuthenticationOptions options = Trusting(certificate);
        options.ClientCertificates = [client];
        await tls.AuthenticateAsClientAsync(options);

        if (isSigned)
        {
            await ReadResultAsync(tls);
            await AssertServedAsync(tls);
        }
        else
        {
            await server.Log.WaitForAsync("TLS did not come about");
        }
    }

    /// <summary>Where TLS is asked for there is no way around it.</summary>
    [Fact]
    public async Task Tls_ClientOfVersionThree_IsToldWhy()
    {
        using X509Certificate2 certificate = Make("server", ServerUse, issuer: null);
        await using TestServer server = new(configure: options => options with { Certificate = certificate });
        await using NetworkStream client = await server.ConnectAsync();

        await client.WriteAsync("RFB 003.003\n"u8.ToArray());

        await server.Log.WaitForAsync("TLS is needed");
    }

    [Fact]
    public async Task WebSocket_NamedOrigin_SeesTheScreenAndViewersStillDo()
    {
        await using TestServer server = new(configure: options => options with { WebOrigins = ["http://localhost:6080"] });
        using ClientWebSocket socket = new();
        socket.Options.AddSubProtocol("binary");
        socket.Options.SetRequestHeader("Origin", "http://localhost:6080");
        await socket.ConnectAsync(new Uri($"ws://{server.EndPoint}/"), CancellationToken.None);
        await using RfbClient browser = await RfbClient.LogInAsync(WebSocketStream.Create(socket, WebSocketMessageType.Binary));
        await using RfbClient viewer = await server.LogInAsync();

        server.Screen.Paint((x, y) => (uint)(x * y));
        await browser.FollowAsync(server.Screen);
        await viewer.FollowAsync(server.Screen);
    }

    [Fact]
    public async Task WebSocket_PageOfAnotherOrigin_IsRefused()
    {
        await using TestServer server = new(configure: options => options with { WebOrigins = ["http://localhost:6080"] });
        using ClientWebSocket socket = new();
        socket.Options.SetRequestHeader("Origin", "https://evil.example");

        await Assert.ThrowsAsync<WebSocketException>(
            () => socket.ConnectAsync(new Uri($"ws://{server.EndPoint}/"), CancellationToken.None));
        await server.Log.WaitForAsync("https://evil.example, which was not named");
    }

    [Fact]
    public async Task WebSocket_NoOriginNamed_IsNoVersionOfRfb()
    {
        await using TestServer server = new();
        using ClientWebSocket socket = new();

        await Assert.ThrowsAsync<WebSocketException>(
            () => socket.ConnectAsync(new Uri($"ws://{server.EndPoint}/"), CancellationToken.None));
        await server.Log.WaitForAsync("no version of RFB");
    }

    [Fact]
    public async Task UnixSocket_LeftByAKilledServer_IsTakenOver()
    {
        string folder = Directory.CreateTempSubdirectory("strata-vnc").FullName;
        string path = Path.Combine(folder, "vnc");
        using (Socket killed = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            killed.Bind(new UnixDomainSocketEndPoint(path));
            File.Move(path, path + ".kept"); // closing it removes the file
        }

        File.Move(path + ".kept", path);
        await using (TestServer server = new(configure: options => options with { Listen = new UnixDomainSocketEndPoint(path) }))
        {
            await using RfbClient client = await server.LogInAsync();
            await client.FollowAsync(server.Screen);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }

        Assert.False(File.Exists(path));
        Directory.Delete(folder);
    }

    [Fact]
    public void UnixSocket_FileThatIsNone_Stays()
    {
        string path = Path.GetTempFileName();

        Assert.Throws<SocketException>(() => VncListener.Open(new UnixDomainSocketEndPoint(path)));

        Assert.True(File.Exists(path));
        File.Delete(path);
    }

    [Theory]
    [InlineData("0.0.0.0", false, false, false)]
    [InlineData("0.0.0.0", true, false, true)]
    [InlineData("192.0.2.1", false, true, false)] // hidden, but open to everybody
    [InlineData("::", true, true, true)]
    [InlineData("127.0.0.1", false, false, true)]
    [InlineData("::1", false, false, true)]
    public void Check_AddressPasswordAndCertificate_RefusesWhatLetsStrangersIn(string address, bool hasPassword, bool hasTls, bool isFine)
    {
        using X509Certificate2 certificate = Make("server", ServerUse, issuer: null);
        VncServerOptions options = new()
        {
            Listen = new IPEndPoint(IPAddress.Parse(address), 5900),
            Password = hasPassword ? new VncPassword("secret") : null,
            Certificate = hasTls ? certificate : null,
        };

        ArgumentException? refusal = Record.Exception(options.Check) as ArgumentException;

        Assert.Equal(isFine, refusal is null);
        Assert.Equal(isFine, refusal?.Message.Contains("127.0.0.1 or a Unix socket", StringComparison.Ordinal) != true);
    }

    private static SslClientAuthenticationOptions Trusting(X509Certificate2 server) => new()
    {
        TargetHost = "server",
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            certificate!.GetRawCertData().AsSpan().SequenceEqual(server.RawData),
    };

    /// <summary>VeNCrypt 0.2: version, its agreement, a type of its list, and the agreement to that.</summary>
    private static async Task ChooseTlsAsync(NetworkStream stream, int type)
    {
        await stream.WriteAsync("RFB 003.008\n"u8.ToArray());
        byte[] read = new byte[12 + 2];
        await stream.ReadExactlyAsync(read);
        Assert.Equal([1, 19], read[12..]);
        await stream.WriteAsync(new byte[] { 19 });
        await stream.ReadExactlyAsync(read.AsMemory(0, 2));
        await stream.WriteAsync(new byte[] { 0, 2 });
        byte[] types = new byte[6];
        await stream.ReadExactlyAsync(types);
        Assert.Equal([0, 1, 0, 0, (byte)(type >> 8), (byte)type], types);
        await stream.WriteAsync(types.AsMemory(2));
        await stream.ReadExactlyAsync(read.AsMemory(0, 1));
        Assert.Equal(1, read[0]);
    }

    private static async Task ReadResultAsync(Stream stream)
    {
        byte[] result = new byte[4];
        await stream.ReadExactlyAsync(result);
        Assert.Equal(new byte[4], result);
    }

    private static async Task AssertServedAsync(Stream stream)
    {
        await stream.WriteAsync(new byte[] { 1 });
        byte[] init = new byte[24 + 4];
        await stream.ReadExactlyAsync(init);
        Assert.Equal("test", Encoding.ASCII.GetString(init.AsSpan(24)));
    }

    private static X509Certificate2 Make(string name, string? use, X509Certificate2? issuer)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(use is null, false, 0, true));
        if (use is not null)
        {
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], false));
        }

        DateTimeOffset start = DateTimeOffset.UtcNow.AddHours(-1);
        using X509Certificate2 made = issuer is null
            ? request.CreateSelfSigned(start, start.AddDays(2))
            : request.Create(issuer, start.AddMinutes(1), start.AddDays(1), [1, 2, 3, 4]).CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), password: null, X509KeyStorageFlags.Exportable);
    }
}
