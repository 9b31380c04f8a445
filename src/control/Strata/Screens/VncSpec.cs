using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Strata.Display.Serving;

namespace Strata.Screens;

/// <summary>Where VNC viewers find a machine's screen, and who is let in.</summary>
public sealed record VncSpec
{
    /// <summary>What <see cref="Parse"/> understands, for help texts.</summary>
    public const string Syntax = "[IP:PORT|:NUMBER|/PATH][,password-file=FILE][,tls-cert=FILE,tls-key=FILE[,tls-ca=FILE]][,web=ORIGIN]";

    private const int FirstPort = 5900;
    private const int PortsTried = 100;

    /// <summary>The address; null for the first free port from 5900 on, of 127.0.0.1.</summary>
    public EndPoint? Listen { get; init; }

    /// <summary>File whose first line is the password, of up to eight characters; null for none.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>The server's certificate as a PEM file, for TLS; null for none.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>The certificate's key as a PEM file; null where it is in the same file.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Certificates, as a PEM file, of those who sign for clients; null where clients need no certificate.</summary>
    public string? ClientAuthoritiesFile { get; init; }

    /// <summary>Origins of web pages that may connect by WebSocket, such as http://localhost:6080.</summary>
    public IReadOnlyList<string> WebOrigins { get; init; } = [];

    /// <summary>Understands <see cref="Syntax"/>; a comma in a path is written twice.</summary>
    /// <exception cref="StrataException">The address is none, or an option is unknown.</exception>
    public static VncSpec Parse(string text)
    {
        string[] parts = OptionList.Split(text);
        VncSpec spec = new() { Listen = parts[0].Length == 0 ? null : ParseAddress(parts[0]) };
        foreach (string part in parts.Skip(1))
        {
            spec = part.Split('=', 2) switch
            {
                ["password-file", { Length: > 0 } file] => spec with { PasswordFile = file },
                ["tls-cert", { Length: > 0 } file] => spec with { CertificateFile = file },
                ["tls-key", { Length: > 0 } file] => spec with { KeyFile = file },
                ["tls-ca", { Length: > 0 } file] => spec with { ClientAuthoritiesFile = file },
                ["web", { Length: > 0 } origin] => spec with { WebOrigins = [.. spec.WebOrigins, origin] },
                _ => throw new StrataException(
                    StrataError.BadInput, $"\"{part}\" is no option of a VNC display; write vnc={Syntax}; {OptionList.Escape}."),
            };
        }

        return spec;
    }

    /// <summary>The addresses to try, with the files read.</summary>
    /// <exception cref="StrataException">A file cannot be used, or strangers would be let in.</exception>
    internal IEnumerable<VncServerOptions> Resolve(string name)
    {
        VncServerOptions options = new()
        {
            Listen = Listen ?? new IPEndPoint(IPAddress.Loopback, FirstPort),
            Name = name,
            Password = PasswordFile is null ? null : ReadPassword(PasswordFile),
            Certificate = CertificateFile is null ? null : Read(CertificateFile, ReadCertificate),
            ClientAuthorities = ClientAuthoritiesFile is null ? null : Read(ClientAuthoritiesFile, ReadAuthorities),
            WebOrigins = WebOrigins,
        };
        try
        {
            options.Check();
        }
        catch (ArgumentException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }

        return Listen is not null ? [options] : Enumerable.Range(FirstPort, PortsTried)
            .Select(port => options with { Listen = new IPEndPoint(IPAddress.Loopback, port) });
    }

    private static EndPoint ParseAddress(string text)
    {
        const string unix = "unix:";
        string path = text.StartsWith(unix, StringComparison.Ordinal) ? text[unix.Length..] : text;
        if (path.Contains('/', StringComparison.Ordinal))
        {
            return MakeUnix(Path.GetFullPath(path));
        }

        if (text.StartsWith(':') && int.TryParse(text.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number <= IPEndPoint.MaxPort - FirstPort)
        {
            return new IPEndPoint(IPAddress.Loopback, FirstPort + number);
        }

        string address = text.StartsWith("localhost:", StringComparison.Ordinal)
            ? text.Replace("localhost", "127.0.0.1", StringComparison.Ordinal)
            : text;
        return address.LastIndexOf(':') > 0 && IPEndPoint.TryParse(address, out IPEndPoint? end) && end.Port > 0
            ? end
            : throw new StrataException(
                StrataError.BadInput,
                $"\"{text}\" is no address of a VNC display; write IP:PORT, :NUMBER for a port from 5900 on of 127.0.0.1, or the path of " +
                $"a Unix socket.");
    }

    private static UnixDomainSocketEndPoint MakeUnix(string path)
    {
        try
        {
            return new UnixDomainSocketEndPoint(path);
        }
        catch (ArgumentOutOfRangeException error)
        {
            throw new StrataException(
                StrataError.BadInput, $"The path {path} is too long for a Unix socket: the host's limit is 107 bytes.", error);
        }
    }

    private static VncPassword ReadPassword(string file) => Read(file, path =>
    {
        using StreamReader lines = new(path);
        return new VncPassword(lines.ReadLine() ?? string.Empty);
    });

    /// <summary>With its key in a form that TLS takes on every host.</summary>
    private X509Certificate2 ReadCertificate(string path)
    {
        using X509Certificate2 certificate = X509Certificate2.CreateFromPemFile(path, KeyFile);
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), password: null);
    }

    private static X509Certificate2Collection ReadAuthorities(string path)
    {
        X509Certificate2Collection certificates = [];
        certificates.ImportFromPemFile(path);
        return certificates.Count > 0 ? certificates : throw new FormatException("there is no certificate in it");
    }

    private static T Read<T>(string file, Func<string, T> read)
    {
        try
        {
            return read(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException or CryptographicException)
        {
            throw new StrataException(StrataError.BadInput, $"The file {file} of the VNC display cannot be used: {error.Message}", error);
        }
    }
}
