using Strata.Core.Sharing;
using Strata.Core.State;

namespace Strata.Shares;

/// <content>What a guest knows of the folder, to be kept and taken over.</content>
public sealed partial class HostFolder
{
    private const OpenMode KeptMode = OpenMode.Read | OpenMode.Write | OpenMode.Append | OpenMode.Synchronous;

    public FileShareState SaveState() => new()
    {
        LastNode = _nodes.LastId,
        Generation = _generation,
        LastHandle = _lastHandle,
        Nodes = _nodes.Save(FileShareState.MostNodes),
        Handles =
        [
            .. _handles.OrderBy(pair => pair.Key).Take(FileShareState.MostHandles).Select(pair => new SharedHandleState
            {
                Handle = pair.Key,
                Node = _nodes.TryGet(pair.Value.Node.Id, out Node? node) && node == pair.Value.Node ? node.Id : 0,
                IsFolder = pair.Value.IsFolder,
                Mode = pair.Value.Mode,
            }),
        ],
    };

    public void LoadState(FileShareState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        List<Node> nodes = _nodes.Read(state.Nodes, state.LastNode, CheckName);
        Dictionary<ulong, Node> byId = nodes.ToDictionary(node => node.Id);
        byId.Add(IFileShare.Root, _nodes.Root);
        foreach (SharedHandleState handle in state.Handles)
        {
            if (handle.Handle > state.LastHandle || (handle.Node != 0 && !byId.ContainsKey(handle.Node)))
            {
                throw new StateException($"Open file {handle.Handle} of the shared folder is of no file that the record knows.");
            }
        }

        if (state.Handles.DistinctBy(handle => handle.Handle).Count() != state.Handles.Count)
        {
            throw new StateException("Two open files of the shared folder have the same number.");
        }

        Reset();
        _nodes.Load(nodes, state.LastNode);
        _generation = state.Generation;
        _lastHandle = state.LastHandle;
        foreach (SharedHandleState handle in state.Handles)
        {
            Load(handle, byId.GetValueOrDefault(handle.Node));
        }

        _nodes.Trim();
    }

    /// <summary>Opens a file again; one that cannot be is stale for the guest until it closes it.</summary>
    private void Load(SharedHandleState state, Node? node)
    {
        int opened = -1;
        bool mayOpen = node is not null && _handles.Count < _mostHandles && node.Kind == (state.IsFolder ? KindFolder : KindFile)
            && !(IsReadOnly && state.Mode.HasFlag(OpenMode.Write));
        if (mayOpen && _nodes.Resolve(node!, out int descriptor) == Errno.None)
        {
            int flags = state.IsFolder ? HostFiles.ReadOnly | HostFiles.FolderOnly : Flags(state.Mode);
            opened = HostFiles.Reopen(descriptor, flags, out int reopened) == Errno.None ? reopened : -1;
        }

        node ??= new Node(0, default, KindFile);
        _nodes.AddHandle(node);
        _handles.Add(state.Handle, new Handle(node, opened, state.IsFolder, state.Mode));
    }
}
