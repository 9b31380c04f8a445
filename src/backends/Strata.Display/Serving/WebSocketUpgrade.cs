using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Strata.Display.Rfb;

namespace Strata.Display.Serving;

/// <summary>
/// The opening handshake of a WebSocket (RFC 6455, section 4.2), which carries RFB in binary messages as noVNC does. A browser connects to
/// any address for any page, so the page's origin has to be one that was named.
/// </summary>
internal static class WebSocketUpgrade
{
    private const int MostBytes = 8192;
    private const string Salt = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    /// <summary>Answers a browser's request.</summary>
    /// <exception cref="RfbException">It is none for a WebSocket, or comes from another origin's page.</exception>
    public static async Task<WebSocket> AcceptAsync(Stream stream, IReadOnlyList<string> origins, CancellationToken cancellationToken)
    {
        Dictionary<string, string> headers = Parse(await ReadAsync(stream, cancellationToken).ConfigureAwait(false));
        string? refusal = FindRefusal(headers, origins);
        if (refusal is not null)
        {
            await SendAsync(
                stream, $"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                cancellationToken).ConfigureAwait(false);
            throw new RfbException(refusal);
        }

        bool isBinary = Has(headers, "Sec-WebSocket-Protocol", "binary");
        StringBuilder answer = new("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
        answer.Append("Sec-WebSocket-Accept: ").Append(Accept(headers["Sec-WebSocket-Key"])).Append("\r\n");
        answer.Append(isBinary ? "Sec-WebSocket-Protocol: binary\r\n\r\n" : "\r\n");
        await SendAsync(stream, answer.ToString(), cancellationToken).ConfigureAwait(false);
        return WebSocket.CreateFromStream(
            stream,
            new WebSocketCreationOptions
            {
                IsServer = true,
                SubProtocol = isBinary ? "binary" : null,
                KeepAliveInterval = Timeout.InfiniteTimeSpan,
            });
    }

    private static string? FindRefusal(Dictionary<string, string> headers, IReadOnlyList<string> origins)
    {
        if (!Has(headers, "Upgrade", "websocket")
            || !Has(headers, "Sec-WebSocket-Version", "13")
            || !headers.ContainsKey("Sec-WebSocket-Key"))
        {
            return "it asked for a web page, where there is a WebSocket only";
        }

        // Programs other than browsers say no origin, and are like any other client.
        return headers.TryGetValue("Origin", out string? origin) && !origins.Contains(origin, StringComparer.OrdinalIgnoreCase)
            ? $"it is a web page of {Shorten(origin)}, which was not named as an origin that may connect"
            : null;
    }

    private static string Shorten(string text) => new([.. text.Take(80).Select(c => char.IsControl(c) ? '?' : c)]);

    private static bool Has(Dictionary<string, string> headers, string name, string value) =>
        headers.TryGetValue(name, out string? values)
        && values.Split(',', StringSplitOptions.TrimEntries).Contains(value, StringComparer.OrdinalIgnoreCase);

    private static string Accept(string key)
    {
#pragma warning disable CA5350 // The protocol has no other digest; it protects nothing.
        return Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + Salt)));
#pragma warning restore CA5350
    }

    /// <summary>Byte by byte, as what comes behind the headers is for others.</summary>
    private static async Task<string> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[MostBytes];
        for (int length = 0; length < MostBytes;)
        {
            if (await stream.ReadAsync(bytes.AsMemory(length, 1), cancellationToken).ConfigureAwait(false) == 0)
            {
                throw new EndOfStreamException();
            }

            length++;
            if (bytes.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
            {
                return Encoding.Latin1.GetString(bytes, 0, length);
            }
        }

        throw new RfbException($"its request has more than {MostBytes} bytes");
    }

    private static Dictionary<string, string> Parse(string request)
    {
        Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
        foreach (string line in request.Split("\r\n").Skip(1))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0)
            {
                headers[line[..colon].Trim()] = line[(colon + 1)..].Trim();
            }
        }

        return headers;
    }

    private static async Task SendAsync(Stream stream, string text, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(Encoding.Latin1.GetBytes(text), cancellationToken).ConfigureAwait(false);
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
    }
}
