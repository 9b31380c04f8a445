using System.Buffers.Binary;
using Strata.Core.Networking;
using Strata.Networking.Frames;

namespace Strata.Networking.Capture;

/// <summary>
/// Writes frames in the classic capture format with nanoseconds, which tcpdump, tshark and Wireshark read.
/// IETF draft-ietf-opsawg-pcap, "PCAP Capture File Format". Safe on any thread.
/// <code>
/// file:    0 magic A1B23C4D   4 major 2 (16)   6 minor 4 (16)   8 zero   16 largest frame   20 link type 1 (Ethernet)
/// record:  0 seconds   4 nanoseconds   8 bytes that follow   12 bytes of the frame
/// </code>
/// </summary>
public sealed class PcapWriter : IDisposable
{
    private const uint NanosecondMagic = 0xA1B23C4D;
    private const uint LinkTypeEthernet = 1;
    private const int LargestFrame = 0x4_0000;
    private const int HeaderSize = 24;
    private const int RecordSize = 16;
    private const long TicksPerSecond = TimeSpan.TicksPerSecond;

    /// <summary>A file that is read while the machine runs lags no further behind.</summary>
    private const long FlushTicks = TicksPerSecond / 4;

    private readonly Lock _gate = new();
    private readonly Stream _output;
    private readonly TimeProvider _time;
    private readonly byte[] _record = new byte[RecordSize]; // under _gate
    private long _flushedAt; // under _gate
    private bool _disposed; // under _gate

    /// <param name="output">Where the file goes; disposed with the writer.</param>
    /// <param name="time">Where the time stamps come from; null for the host's clock.</param>
    public PcapWriter(Stream output, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        _output = output;
        _time = time ?? TimeProvider.System;
        Span<byte> header = stackalloc byte[HeaderSize];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, NanosecondMagic);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], LargestFrame);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], LinkTypeEthernet);
        output.Write(header);
        output.Flush();
    }

    /// <summary>Why the capture ended early, such as a full disk; null while it goes well.</summary>
    public string? Failure { get; private set; }

    /// <summary>Creates or replaces a file.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static PcapWriter Create(string path)
    {
        try
        {
            return new PcapWriter(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 1 << 16));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new IOException($"The capture file {path} cannot be written: {error.Message} Choose another path.", error);
        }
    }

    /// <summary>Adds a frame as it would look on a wire: with its checksum, but not cut.</summary>
    public void Write(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        if (offload.NeedsChecksum && offload.Segmentation == FrameFeatures.None)
        {
            byte[] whole = [.. head, .. payload];
            FrameCompletion.PutChecksum(whole, offload);
            Append(whole, []);
        }
        else
        {
            Append(head, payload);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                Try(_output.Flush);
                _output.Dispose();
            }
        }
    }

    private void Append(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload)
    {
        lock (_gate)
        {
            if (_disposed || Failure is not null)
            {
                return;
            }

            long ticks = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks;
            int length = head.Length + payload.Length;
            BinaryPrimitives.WriteUInt32LittleEndian(_record, (uint)(ticks / TicksPerSecond));
            BinaryPrimitives.WriteUInt32LittleEndian(_record.AsSpan(4), (uint)(ticks % TicksPerSecond * 100));
            BinaryPrimitives.WriteInt32LittleEndian(_record.AsSpan(8), length);
            BinaryPrimitives.WriteInt32LittleEndian(_record.AsSpan(12), length);
            try
            {
                _output.Write(_record);
                _output.Write(head);
                _output.Write(payload);
                if (ticks - _flushedAt > FlushTicks)
                {
                    _flushedAt = ticks;
                    _output.Flush();
                }
            }
            // the second: no larger file is possible (EFBIG)
            catch (Exception error) when (error is IOException or ArgumentOutOfRangeException)
            {
                Failure = $"The capture ended early: {error.Message}";
            }
        }
    }

    private void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception error) when (error is IOException or ArgumentOutOfRangeException) // the second: no larger file is possible (EFBIG)
        {
            Failure ??= $"The capture ended early: {error.Message}";
        }
    }
}
