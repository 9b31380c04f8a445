using System.Net.Security;
using System.Security.Cryptography;
using Strata.Display.Serving;

namespace Strata.Display.Rfb;

/// <summary>
/// The beginning of a connection: version, who the client is, TLS (RFC 6143, sections 7.1 and 7.2; VeNCrypt 0.2 with X.509 certificates).
/// </summary>
internal sealed class RfbLogin(VncServerOptions options, CancellationToken ending) : IDisposable
{
    private const byte None = 1;
    private const byte VncAuthentication = 2;
    private const byte VeNCrypt = 19;
    private const int X509None = 260;
    private const int X509Vnc = 261;
    private const int VersionLength = 12;

    private static readonly byte[] OwnVersion = "RFB 003.008\n"u8.ToArray();

    /// <summary>Whoever guesses passwords waits.</summary>
    private static readonly TimeSpan Penalty = TimeSpan.FromSeconds(1);

    private int _minor;
    private SslStream? _tls;
    private RfbReader? _plain;

    /// <summary>Where messages come from, once logged in.</summary>
    public RfbReader Reader { get; private set; } = null!;

    /// <summary>Where messages go to.</summary>
    public Stream Stream { get; private set; } = null!;

    /// <summary>Brings a client to where its messages begin.</summary>
    /// <param name="isEncrypted">Whether it came by TLS already.</param>
    /// <exception cref="RfbException">It is none, or does not know the password.</exception>
    public async Task RunAsync(Stream stream, bool isEncrypted)
    {
        Stream = stream;
        Reader = _plain = new RfbReader(stream, ending);
        await SendAsync(OwnVersion).ConfigureAwait(false);
        _minor = ReadVersion((await Reader.ReadAsync(VersionLength).ConfigureAwait(false)).Span);
        byte security = await ChooseAsync(isEncrypted).ConfigureAwait(false);
        int kind = security;
        if (security == VeNCrypt)
        {
            kind = await EncryptAsync().ConfigureAwait(false);
        }

        bool isKnown = kind is None or X509None || await AskPasswordAsync().ConfigureAwait(false);
        await SendResultAsync(kind, isKnown).ConfigureAwait(false);
        if (!isKnown)
        {
            throw new RfbException("its password was wrong");
        }

        await Reader.ReadByteAsync().ConfigureAwait(false); // ClientInit: others stay, whatever it asks for
    }

    public void Dispose()
    {
        _plain?.Dispose();
        if (_tls is not null)
        {
            Reader.Dispose();
            _tls.Dispose();
        }
    }

    /// <summary>Minor versions between the published ones are the next older one, higher ones the newest.</summary>
    private static int ReadVersion(ReadOnlySpan<byte> line)
    {
        bool isVersion = line[..4].SequenceEqual("RFB "u8) && line[7] == '.' && line[11] == '\n'
            && !line[4..7].ContainsAnyExceptInRange((byte)'0', (byte)'9') && !line[8..11].ContainsAnyExceptInRange((byte)'0', (byte)'9');
        if (!isVersion)
        {
            throw new RfbException("it sent no version of RFB");
        }

        int major = int.Parse(line[4..7], provider: null);
        int minor = int.Parse(line[8..11], provider: null);
        return major switch
        {
            < 3 => throw new RfbException($"its version is {major}.{minor}, and 3.3 is the oldest there is"),
            3 => minor >= 8 ? 8 : minor == 7 ? 7 : 3,
            _ => 8,
        };
    }

    private async Task<byte> ChooseAsync(bool isEncrypted)
    {
        byte offered = options.Certificate is not null && !isEncrypted ? VeNCrypt : options.Password is not null ? VncAuthentication : None;
        if (_minor == 3)
        {
            if (offered == VeNCrypt)
            {
                await SendAsync(Reason(32, "TLS is needed, which RFB 3.3 does not have.")).ConfigureAwait(false);
                throw new RfbException("TLS is needed, which its version 3.3 does not have");
            }

            await SendAsync([0, 0, 0, offered]).ConfigureAwait(false);
            return offered;
        }

        await SendAsync([1, offered]).ConfigureAwait(false);
        byte chosen = await Reader.ReadByteAsync().ConfigureAwait(false);
        return chosen == offered ? chosen : throw new RfbException($"it chose security type {chosen}, which was not offered");
    }

    private async Task<int> EncryptAsync()
    {
        await SendAsync([0, 2]).ConfigureAwait(false);
        ReadOnlyMemory<byte> version = await Reader.ReadAsync(2).ConfigureAwait(false);
        bool isVersion = version.Span is [0, 2];
        await SendAsync([isVersion ? (byte)0 : (byte)0xFF]).ConfigureAwait(false);
        if (!isVersion)
        {
            throw new RfbException("its VeNCrypt is not version 0.2");
        }

        int offered = options.Password is null ? X509None : X509Vnc;
        await SendAsync([1, 0, 0, (byte)(offered >> 8), (byte)offered]).ConfigureAwait(false);
        int chosen = await Reader.ReadNumber32Async().ConfigureAwait(false);
        if (chosen != offered)
        {
            await SendAsync([0]).ConfigureAwait(false);
            throw new RfbException($"it chose VeNCrypt type {chosen}, which was not offered");
        }

        await SendAsync([1]).ConfigureAwait(false);
        if (!Reader.IsEmpty)
        {
            throw new RfbException("it began TLS before it was let to");
        }

        await StartTlsAsync().ConfigureAwait(false);
        return offered;
    }

    private async Task StartTlsAsync()
    {
        _tls = await TlsEntrance.OpenAsync(Stream, options, ending).ConfigureAwait(false);
        Stream = _tls;
        Reader = new RfbReader(_tls, ending);
    }

    private async Task<bool> AskPasswordAsync()
    {
        byte[] challenge = RandomNumberGenerator.GetBytes(VncPassword.ChallengeSize);
        await SendAsync(challenge).ConfigureAwait(false);
        ReadOnlyMemory<byte> answer = await Reader.ReadAsync(challenge.Length).ConfigureAwait(false);
        return options.Password!.IsAnswer(challenge, answer.Span);
    }

    private async Task SendResultAsync(int kind, bool isKnown)
    {
        if (isKnown)
        {
            if (kind != None || _minor == 8)
            {
                await SendAsync([0, 0, 0, 0]).ConfigureAwait(false);
            }

            return;
        }

        await Task.Delay(Penalty, ending).ConfigureAwait(false);
        byte[] refusal = [0, 0, 0, 1];
        await SendAsync(_minor == 8 ? [.. refusal, .. Reason(0, "The password is wrong.")] : refusal).ConfigureAwait(false);
    }

    /// <summary>A sentence with its length, behind as many bits of zeros.</summary>
    private static byte[] Reason(int zeros, string text)
    {
        RfbWriter writer = new();
        writer.Take(zeros / 8).Clear();
        writer.Text(text);
        return writer.Written.ToArray();
    }

    private async Task SendAsync(byte[] bytes)
    {
        await Stream.WriteAsync(bytes, ending).ConfigureAwait(false);
        await Stream.FlushAsync(ending).ConfigureAwait(false);
    }
}
