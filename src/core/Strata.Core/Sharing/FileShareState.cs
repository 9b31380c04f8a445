using Strata.Core.State;

namespace Strata.Core.Sharing;

/// <summary>
/// What a guest knows of a share: numbers that it goes on using behind a restore. Files are found again by their place and compared with
/// what they were; what is not there any more is stale for the guest.
/// </summary>
public sealed class FileShareState : IStateRecord<FileShareState>
{
    /// <summary>Nodes of a record; a guest that knows more loses the rest.</summary>
    public const int MostNodes = 1 << 18;

    /// <summary>Open files and folders of a record.</summary>
    public const int MostHandles = 1 << 15;

    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>The number given last to a node; none is used twice.</summary>
    public required ulong LastNode { get; set; }

    /// <summary>That of every node: <see cref="FileEntry.Generation"/>.</summary>
    public required uint Generation { get; set; }

    /// <summary>The number given last to an open file or folder.</summary>
    public required ulong LastHandle { get; set; }

    /// <summary>All but the root. A folder comes before what is in it.</summary>
    public required IReadOnlyList<SharedNodeState> Nodes { get; set; }

    public required IReadOnlyList<SharedHandleState> Handles { get; set; }

    /// <inheritdoc/>
    public static FileShareState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new FileShareState
        {
            LastNode = reader.Read<ulong>(nameof(LastNode), IFileShare.Root, ulong.MaxValue),
            Generation = reader.Read<uint>(nameof(Generation)),
            LastHandle = reader.Read<ulong>(nameof(LastHandle)),
            Nodes = reader.ReadRecords<SharedNodeState>(nameof(Nodes), MostNodes),
            Handles = reader.ReadRecords<SharedHandleState>(nameof(Handles), MostHandles),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(LastNode);
        writer.Write(Generation);
        writer.Write(LastHandle);
        writer.WriteRecords(Nodes);
        writer.WriteRecords(Handles);
    }
}

/// <summary>A file that a guest knows.</summary>
public sealed class SharedNodeState : IStateRecord<SharedNodeState>
{
    private const int LongestName = 255;

    /// <inheritdoc/>
    public static ushort Version => 1;

    public required ulong Node { get; set; }

    /// <summary>The folder that it is in; 0 for a file without a name, which cannot be found again.</summary>
    public required ulong Parent { get; set; }

    public required byte[] Name { get; set; }

    /// <summary>The S_IFMT part of its mode.</summary>
    public required uint Kind { get; set; }

    /// <summary>References that the guest holds.</summary>
    public required ulong References { get; set; }

    /// <summary>What the file is, in the share's own numbers: another file of the same name has others.</summary>
    public required ulong[] Identity { get; set; }

    /// <summary>What its content was when the guest opened it last, in the share's own numbers; empty if that is not known.</summary>
    public required ulong[] Content { get; set; }

    /// <inheritdoc/>
    public static SharedNodeState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new SharedNodeState
        {
            Node = reader.Read<ulong>(nameof(Node), IFileShare.Root + 1, ulong.MaxValue),
            Parent = reader.Read<ulong>(nameof(Parent)),
            Name = reader.ReadBytes(nameof(Name), LongestName),
            Kind = reader.Read<uint>(nameof(Kind), 0, 0xFFFF),
            References = reader.Read<ulong>(nameof(References)),
            Identity = reader.ReadArray<ulong>(nameof(Identity), 8),
            Content = reader.ReadArray<ulong>(nameof(Content), 8),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Node);
        writer.Write(Parent);
        writer.WriteBytes(Name);
        writer.Write(Kind);
        writer.Write(References);
        writer.WriteArray<ulong>(Identity);
        writer.WriteArray<ulong>(Content);
    }
}

/// <summary>An open file or folder.</summary>
public sealed class SharedHandleState : IStateRecord<SharedHandleState>
{
    private const OpenMode Kept = OpenMode.Read | OpenMode.Write | OpenMode.Append | OpenMode.Synchronous;

    /// <inheritdoc/>
    public static ushort Version => 1;

    public required ulong Handle { get; set; }

    /// <summary>What is open; 0 for a file that the guest does not know any more, which cannot be opened again.</summary>
    public required ulong Node { get; set; }

    public required bool IsFolder { get; set; }

    /// <summary>Of a file: how it was opened, but for what counts while opening only.</summary>
    public required OpenMode Mode { get; set; }

    /// <inheritdoc/>
    public static SharedHandleState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        SharedHandleState state = new()
        {
            Handle = reader.Read<ulong>(nameof(Handle), 1, ulong.MaxValue),
            Node = reader.Read<ulong>(nameof(Node)),
            IsFolder = reader.ReadBoolean(nameof(IsFolder)),
            Mode = (OpenMode)reader.Read<int>(nameof(Mode)),
        };
        return (state.Mode & ~Kept) == 0 ? state : throw reader.Refuse(nameof(Mode), $"is {state.Mode}, which no open file has");
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Handle);
        writer.Write(Node);
        writer.Write(IsFolder);
        writer.Write((int)Mode);
    }
}
