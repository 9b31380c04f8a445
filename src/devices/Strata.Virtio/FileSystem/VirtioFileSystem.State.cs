using System.Text;
using Strata.Core.Sharing;
using Strata.Core.State;

namespace Strata.Virtio.FileSystem;

/// <summary>What a file system device remembers beside its queues.</summary>
public sealed class VirtioFileSystemState : IStateRecord<VirtioFileSystemState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>Of the share: the guest mounted it by that.</summary>
    public required string Tag { get; set; }

    /// <summary>The driver has opened the session.</summary>
    public required bool IsInitialized { get; set; }

    /// <summary>The files that the guest knows and has open.</summary>
    public required FileShareState Share { get; set; }

    /// <inheritdoc/>
    public static VirtioFileSystemState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new VirtioFileSystemState
        {
            Tag = reader.ReadText(nameof(Tag), VirtioFileSystem.LongestTag),
            IsInitialized = reader.ReadBoolean(nameof(IsInitialized)),
            Share = reader.ReadRecord<FileShareState>(),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteText(Tag);
        writer.Write(IsInitialized);
        writer.WriteRecord(Share);
    }
}

/// <content>The device as a unit of state.</content>
public sealed partial class VirtioFileSystem
{
    private string Tag => Encoding.UTF8.GetString(_configuration.AsSpan(0, LongestTag)).TrimEnd('\0');

    /// <inheritdoc/>
    public override void Reset()
    {
        lock (Gate)
        {
            _server.Reset();
        }
    }

    /// <inheritdoc/>
    public override VirtioFileSystemState SaveState()
    {
        lock (Gate)
        {
            return new VirtioFileSystemState { Tag = Tag, IsInitialized = _server.IsInitialized, Share = _share.SaveState() };
        }
    }

    /// <inheritdoc/>
    public override void LoadState(VirtioFileSystemState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.Tag != Tag)
        {
            throw Refuse(nameof(state.Tag), $"is \"{state.Tag}\", and the share here is \"{Tag}\"");
        }

        lock (Gate)
        {
            try
            {
                _share.LoadState(state.Share);
            }
            catch (StateException error)
            {
                throw new StateException($"The saved state of {UnitName} cannot be used. {error.Message}", error);
            }

            _server.IsInitialized = state.IsInitialized;
        }
    }
}
