using System.Buffers.Binary;
using Strata.Core.Sharing;

namespace Strata;

/// <summary>A file, folder or link of a tree that travels between host and guest.</summary>
/// <param name="Mode">Permission bits.</param>
/// <param name="Kind">'d', 'f' or 'l'.</param>
/// <param name="Path">Below the tree's root, in bytes; empty for the root itself.</param>
/// <param name="Target">Of a link.</param>
/// <param name="Modified">When the content last changed; null where an older agent does not tell.</param>
internal readonly record struct TreeNode(uint Mode, char Kind, byte[] Path, byte[] Target, FileTime? Modified = null)
{
    /// <summary>Bytes: a tree may be deeper than a path can be long, but one frame has to hold it.</summary>
    public const int LongestPath = AgentFrame.LargestPayload - (1 << 14);

    private const int LongestTarget = 4096;
    private const int TimeSize = 12;
    private const uint NanosecondsOfASecond = 1_000_000_000;

    public byte[] ToBytes()
    {
        int length = 4 + 1 + 4 + Path.Length + 4 + Target.Length;
        byte[] bytes = new byte[length + (Modified is null ? 0 : TimeSize)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Mode);
        bytes[4] = (byte)Kind;
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(5), Path.Length);
        Path.CopyTo(bytes, 9);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(9 + Path.Length), Target.Length);
        Target.CopyTo(bytes, 13 + Path.Length);
        if (Modified is { } time)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(length), time.Seconds);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(length + 8), time.Nanoseconds);
        }

        return bytes;
    }

    /// <exception cref="InvalidDataException">The bytes, which a guest sent, are no node.</exception>
    public static TreeNode Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 5 || (char)bytes[4] is not ('d' or 'f' or 'l'))
        {
            throw new InvalidDataException("The guest's agent sent a node of a tree that is none.");
        }

        uint mode = BinaryPrimitives.ReadUInt32LittleEndian(bytes) & 0xFFF;
        char kind = (char)bytes[4];
        ReadOnlySpan<byte> rest = bytes[5..];
        byte[] path = TakeText(ref rest, LongestPath);
        byte[] target = TakeText(ref rest, LongestTarget);
        FileTime? modified = TakeTime(ref rest);
        return rest.IsEmpty
            ? new TreeNode(mode, kind, path, target, modified)
            : throw new InvalidDataException("The guest's agent sent a node of a tree with something behind it.");
    }

    private static FileTime? TakeTime(ref ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < TimeSize)
        {
            return null;
        }

        FileTime time = new(BinaryPrimitives.ReadInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));
        bytes = bytes[TimeSize..];
        return time.Nanoseconds < NanosecondsOfASecond
            ? time
            : throw new InvalidDataException($"The guest's agent sent a node of a tree with a time of {time.Nanoseconds:N0} nanoseconds.");
    }

    private static byte[] TakeText(ref ReadOnlySpan<byte> bytes, int longest)
    {
        uint length = bytes.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : uint.MaxValue;
        if (length > longest || length > bytes.Length - 4)
        {
            throw new InvalidDataException("The guest's agent sent a node of a tree with a text that is cut or too long.");
        }

        byte[] text = bytes.Slice(4, (int)length).ToArray();
        bytes = bytes[(4 + (int)length)..];
        return text;
    }
}
