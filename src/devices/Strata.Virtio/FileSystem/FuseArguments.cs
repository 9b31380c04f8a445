using System.Buffers.Binary;

namespace Strata.Virtio.FileSystem;

/// <summary>What follows a request's header: a structure that depends on the operation, then names that end with a zero.</summary>
internal readonly ref struct FuseArguments(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Length => _bytes.Length;

    /// <summary>Bytes that an operation's structure has at least, without names.</summary>
    public static int SizeOf(FuseOperation operation) => operation switch
    {
        FuseOperation.Forget or FuseOperation.ForgetMany or FuseOperation.MakeFolder or FuseOperation.Rename or FuseOperation.Link
            or FuseOperation.Open or FuseOperation.OpenFolder or FuseOperation.SetExtendedAttribute or FuseOperation.GetExtendedAttribute
            or FuseOperation.ListExtendedAttributes => 8,
        FuseOperation.MakeNode or FuseOperation.Synchronize or FuseOperation.SynchronizeFolder or FuseOperation.Create
            or FuseOperation.RenameWithFlags or FuseOperation.Initialize => 16,
        FuseOperation.Release or FuseOperation.ReleaseFolder or FuseOperation.Seek => 24,
        FuseOperation.Allocate => 32,
        FuseOperation.Read or FuseOperation.Write or FuseOperation.ReadFolder or FuseOperation.ReadFolderPlus => 40,
        FuseOperation.CopyRange => 56,
        FuseOperation.SetAttributes => 88,
        _ => 0,
    };

    /// <summary>The offset was checked by <see cref="SizeOf"/>.</summary>
    public uint U32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[offset..]);

    /// <inheritdoc cref="U32"/>
    public ulong U64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_bytes[offset..]);

    /// <summary>The name at an offset.</summary>
    /// <param name="next">Behind its zero.</param>
    /// <returns>False if it does not end.</returns>
    public bool TryGetName(int offset, out ReadOnlySpan<byte> name, out int next)
    {
        name = _bytes[Math.Min(offset, _bytes.Length)..];
        int length = name.IndexOf((byte)0);
        next = offset + length + 1;
        name = length < 0 ? default : name[..length];
        return length >= 0;
    }

    /// <summary>So many bytes at an offset.</summary>
    /// <returns>False if there are fewer.</returns>
    public bool TryGetBytes(int offset, uint length, out ReadOnlySpan<byte> bytes)
    {
        bytes = _bytes[Math.Min(offset, _bytes.Length)..];
        bool isWhole = length <= (uint)bytes.Length;
        bytes = isWhole ? bytes[..(int)length] : default;
        return isWhole;
    }
}
