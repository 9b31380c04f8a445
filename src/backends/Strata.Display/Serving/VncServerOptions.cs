using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Strata.Display.Serving;

/// <summary>Where a VNC server listens and whom it lets in.</summary>
public sealed record VncServerOptions
{
    /// <summary>An address of TCP (port 0 for one that the host chooses) or a Unix socket.</summary>
    public required EndPoint Listen { get; init; }

    /// <summary>The name that viewers show.</summary>
    public string Name { get; init; } = "Strata";

    /// <summary>What clients have to know; null for nothing.</summary>
    public VncPassword? Password { get; init; }

    /// <summary>The server's certificate, with its key, for TLS: clients without are not served then. Null for none.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>
    /// Who signs the certificates that clients have to show; null where they need none. Only with <see cref="Certificate"/>.
    /// </summary>
    public X509Certificate2Collection? ClientAuthorities { get; init; }

    /// <summary>Origins of the web pages that may connect by WebSocket, such as http://localhost:6080; empty for none.</summary>
    public IReadOnlyList<string> WebOrigins { get; init; } = [];

    /// <summary>Clients at a time; more are hung up on.</summary>
    public int MostClients { get; init; } = 16;

    /// <summary>How long a client may take to log in, to end a message, and to take what is sent to it.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Whether only processes of this host can connect.</summary>
    public bool IsLocal => Listen is UnixDomainSocketEndPoint || (Listen is IPEndPoint ip && IPAddress.IsLoopback(ip.Address));

    /// <summary>Refuses to let strangers in.</summary>
    /// <exception cref="ArgumentException">Other hosts could connect without a proof of who they are, or options do not go
    /// together.</exception>
    public void Check()
    {
        if (ClientAuthorities is not null && Certificate is null)
        {
            throw new ArgumentException(
                "Client certificates are asked for, which are part of TLS, and there is no certificate of the server: give it one.");
        }

        if (!IsLocal && Password is null && ClientAuthorities is null)
        {
            string cause = Certificate is null
                ? "everybody who reaches it could see the screen and type"
                : "TLS hides what is sent, but lets everybody in who reaches it";
            throw new ArgumentException(
                $"The VNC address {Listen} is not this host's alone, and {cause}. Give a password, or TLS with client certificates; or " +
                $"listen on 127.0.0.1 or a Unix socket, and go there through ssh -L.");
        }
    }
}
