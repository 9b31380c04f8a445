using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Strata.Display.Rfb;

namespace Strata.Display.Serving;

/// <summary>Lets clients in by TLS.</summary>
internal static class TlsEntrance
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    /// <summary>Waits for a client's handshake on a stream, which stays the caller's.</summary>
    /// <exception cref="RfbException">It did not come about, or the client's certificate is not signed by those who may.</exception>
    public static async Task<SslStream> OpenAsync(Stream stream, VncServerOptions options, CancellationToken cancellationToken)
    {
        SslStream tls = new(stream, leaveInnerStreamOpen: true);
        try
        {
            await tls.AuthenticateAsServerAsync(Describe(options), cancellationToken).ConfigureAwait(false);
            return tls;
        }
        catch (AuthenticationException e)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            throw new RfbException($"TLS did not come about ({e.InnerException?.Message ?? e.Message})", e);
        }
        catch (Exception)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static SslServerAuthenticationOptions Describe(VncServerOptions options) => new()
    {
        ServerCertificate = options.Certificate,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        ClientCertificateRequired = options.ClientAuthorities is not null,
        CertificateChainPolicy = options.ClientAuthorities is null ? null : Trust(options.ClientAuthorities),
    };

    /// <summary>Clients are trusted for who signed them, and not for whom the host trusts otherwise.</summary>
    private static X509ChainPolicy Trust(X509Certificate2Collection authorities)
    {
        X509ChainPolicy policy = new()
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        policy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        return policy;
    }
}
