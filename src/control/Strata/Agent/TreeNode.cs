using System.Buffers.Binary;

namespace Strata;

/// <summary>A file, folder or link of a tree that travels between host and guest.</summary>
/// <param name="Mode">Permission bits.</param>
/// <param name="Kind">'d', 'f' or 'l'.</param>
/// <param name="Path">Below the tree's root, in bytes; empty for the root itself.</param>
/// <param name="Target">Of a link.</param>
internal readonly record struct TreeNode(uint Mode, char Kind, byte[] Path, byte[] Target)
{
    private const int LargestText = 4096;

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[4 + 1 + 4 + Path.Length + 4 + Target.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Mode);
        bytes[4] = (byte)Kind;
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(5), Path.Length);
        Path.CopyTo(bytes, 9);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(9 + Path.Length), Target.Length);
        Target.CopyTo(bytes, 13 + Path.Length);
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
        byte[] path = TakeText(ref rest);
        byte[] target = TakeText(ref rest);
        return rest.IsEmpty ? new TreeNode(mode, kind, path, target) : throw new InvalidDataException("The guest's agent sent a node of a tree with something behind it.");
    }

    private static byte[] TakeText(ref ReadOnlySpan<byte> bytes)
    {
        uint length = bytes.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : uint.MaxValue;
        if (length > LargestText || length > bytes.Length - 4)
        {
            throw new InvalidDataException("The guest's agent sent a node of a tree with a text that is cut or too long.");
        }

        byte[] text = bytes.Slice(4, (int)length).ToArray();
        bytes = bytes[(4 + (int)length)..];
        return text;
    }
}
