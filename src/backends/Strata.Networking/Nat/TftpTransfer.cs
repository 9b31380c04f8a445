using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Strata.Networking.Nat;

/// <summary>A file on its way to a guest, a block at a time: each waits for its acknowledgment. Under the network's gate.</summary>
/// <param name="key">The conversation.</param>
/// <param name="file">Its own from here on.</param>
/// <param name="blockSize">Bytes of every block but the last, which has fewer.</param>
internal sealed class TftpTransfer(FlowKey key, SafeFileHandle file, int blockSize) : IDisposable
{
    public const int SmallestBlock = 8, LargestBlock = 65464, UsualBlock = 512;

    private const ushort OpData = 3;
    private const int HeaderSize = 4;

    private long _block; // what was sent last; 0 for the answer to options
    private bool _isLast;

    public FlowKey Key => key;

    /// <summary>What was sent last, for another time.</summary>
    public byte[] Message { get; private set; } = [];

    /// <summary>When that was, in nanoseconds of the network's clock.</summary>
    public long SentAt { get; set; }

    /// <summary>How often.</summary>
    public int Times { get; set; }

    /// <summary>Whether an acknowledgment is of what was sent last.</summary>
    public bool Acknowledges(ushort number) => number == (ushort)_block;

    /// <summary>Begins with the answer to the request's options.</summary>
    public void Begin(byte[] answer) => Message = answer;

    /// <summary>Makes the next block what is to be sent.</summary>
    /// <returns>False if there is none.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It is no file.</exception>
    public bool TryAdvance()
    {
        if (_isLast)
        {
            return false;
        }

        byte[] message = new byte[HeaderSize + blockSize];
        int count = 0;
        int read;
        while (count < blockSize
            && (read = RandomAccess.Read(file, message.AsSpan(HeaderSize + count), (_block * blockSize) + count)) > 0)
        {
            count += read;
        }

        _block++;
        _isLast = count < blockSize;
        BinaryPrimitives.WriteUInt16BigEndian(message, OpData);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), (ushort)_block); // of a large file it begins again
        Message = message[..(HeaderSize + count)];
        Times = 0;
        return true;
    }

    public void Dispose() => file.Dispose();
}
