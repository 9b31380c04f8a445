using System.Buffers.Binary;

namespace Strata.Control;

/// <summary>What a frame of the control protocol carries.</summary>
internal enum ControlFrameType : byte
{
    /// <summary>A request or a reply, as JSON.</summary>
    Message = (byte)'J',

    /// <summary>Bytes of a stream.</summary>
    Data = (byte)'D',

    /// <summary>The sender's side of the stream ends.</summary>
    End = (byte)'E',
}

/// <summary>
/// What travels over a control socket; docs/control.md describes the conversation.
/// <code>
/// frame: 0 length of the payload (32, little-endian)  4 type (8: J, D or E)  5 payload
/// </code>
/// </summary>
internal readonly record struct ControlFrame(ControlFrameType Type, ReadOnlyMemory<byte> Payload)
{
    /// <summary>Of the messages. Raised when an older machine would misunderstand what a newer command asks.</summary>
    public const int Version = 1;

    public const int HeaderSize = 5;

    /// <summary>Bytes of JSON.</summary>
    public const int LargestMessage = 1 << 20;

    /// <summary>Bytes of a stream in one frame.</summary>
    public const int LargestData = 64 << 10;

    /// <summary>Checks a header before anything is allocated for what it announces.</summary>
    /// <param name="header"><see cref="HeaderSize"/> bytes.</param>
    /// <exception cref="ControlProtocolException">It announces nothing that the protocol has.</exception>
    public static (ControlFrameType Type, int Length) ParseHeader(ReadOnlySpan<byte> header)
    {
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        ControlFrameType type = (ControlFrameType)header[4];
        uint largest = type switch
        {
            ControlFrameType.Message => LargestMessage,
            ControlFrameType.Data => LargestData,
            ControlFrameType.End => 0,
            _ => throw new ControlProtocolException($"a frame of the unknown type 0x{header[4]:X2}"),
        };
        return length <= largest
            ? (type, (int)length)
            : throw new ControlProtocolException($"a frame of {length:N0} bytes where {largest:N0} are allowed");
    }

    /// <returns>Null where the stream ends between two frames.</returns>
    /// <exception cref="ControlProtocolException">What comes is no frame.</exception>
    public static async ValueTask<ControlFrame?> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        byte[] header = new byte[HeaderSize];
        int count = await stream.ReadAtLeastAsync(header, HeaderSize, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        if (count == 0)
        {
            return null;
        }

        if (count < HeaderSize)
        {
            throw new ControlProtocolException("half a frame");
        }

        (ControlFrameType type, int length) = ParseHeader(header);
        byte[] payload = length == 0 ? [] : new byte[length];
        count = await stream.ReadAtLeastAsync(payload, length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return count == length ? new ControlFrame(type, payload) : throw new ControlProtocolException("half a frame");
    }

    /// <summary>Writes the frame in one piece. One writer at a time.</summary>
    public ValueTask WriteAsync(Stream stream, CancellationToken cancellationToken)
    {
        byte[] frame = new byte[HeaderSize + Payload.Length];
        BinaryPrimitives.WriteInt32LittleEndian(frame, Payload.Length);
        frame[4] = (byte)Type;
        Payload.CopyTo(frame.AsMemory(HeaderSize));
        return stream.WriteAsync(frame, cancellationToken);
    }
}

/// <summary>The other side does not speak the control protocol, or another version of it.</summary>
internal sealed class ControlProtocolException : IOException
{
    /// <param name="what">What came instead, as the end of a sentence.</param>
    public ControlProtocolException(string what)
        : base($"The control socket's other side sent {what}; are both of the same version of Strata?")
    {
    }

    public ControlProtocolException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public ControlProtocolException()
    {
    }
}
