using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>An HTTP server on the host's loopback address, with one file, which a guest finds at 10.0.2.2.</summary>
public sealed class FileServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    /// <param name="content">The file, whatever is asked for.</param>
    /// <param name="times">Requests to answer, one after the other.</param>
    public FileServer(byte[] content, int times, CancellationToken cancellationToken)
    {
        _listener.Start();
        Serving = ServeAsync(content, times, cancellationToken);
    }

    /// <summary>As the guest writes it.</summary>
    public string Address => $"http://10.0.2.2:{((IPEndPoint)_listener.LocalEndpoint).Port}/file";

    /// <summary>Completes when all requests have been answered.</summary>
    public Task Serving { get; }

    public void Dispose() => _listener.Dispose();

    private async Task ServeAsync(byte[] content, int times, CancellationToken cancellationToken)
    {
        for (int i = 0; i < times; i++)
        {
            using TcpClient client = await _listener.AcceptTcpClientAsync(cancellationToken);
            NetworkStream stream = client.GetStream();
            using StreamReader reader = new(stream, Encoding.ASCII, leaveOpen: true);
            while (!string.IsNullOrEmpty(await reader.ReadLineAsync(cancellationToken)))
            {
            }

            await stream.WriteAsync(
                Encoding.ASCII.GetBytes($"HTTP/1.0 200 OK\r\nContent-Length: {content.Length}\r\n\r\n"), cancellationToken);
            await stream.WriteAsync(content, cancellationToken);
        }
    }
}
