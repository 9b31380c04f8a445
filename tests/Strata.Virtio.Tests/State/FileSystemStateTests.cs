using Strata.Core.Sharing;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Shares;
using Strata.Virtio.FileSystem;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.State;

/// <summary>A mounted share in another machine. What becomes of its files is tested with the share.</summary>
public sealed class FileSystemStateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("strata-fs-").FullName;
    private readonly HostFolder _share;
    private readonly VirtioDriver _driver;

    public FileSystemStateTests()
    {
        File.WriteAllText(Path.Combine(_folder, "file"), "content");
        _share = HostFolder.Open(_folder);
        _driver = NewDriver(_share, "tag");
    }

    public void Dispose()
    {
        _driver.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Contract_OfAShareInUse_Holds()
    {
        Assert.Equal(Errno.None, _share.Lookup(IFileShare.Root, "file"u8, out FileEntry entry));
        Assert.Equal(Errno.None, _share.Open(entry.Node, OpenMode.Read, out _, out _));

        UnitContract.Check((IUnit<VirtioFileSystemState>)_driver.Roster.Units[^1], (property, old) => property.Name switch
        {
            nameof(VirtioFileSystemState.Tag) => "tag",
            nameof(VirtioFileSystemState.Share) => new FileShareState
            {
                LastNode = 77,
                Generation = 12345,
                LastHandle = 9,
                Nodes = ((FileShareState)old!).Nodes,
                Handles = [
                    new SharedHandleState { Handle = 8, Node = entry.Node, IsFolder = false, Mode = OpenMode.Write | OpenMode.Append }],
            },
            _ => null,
        });
    }

    [Fact]
    public void Load_Session_GoesOn()
    {
        using VirtioDriver other = NewDriver(HostFolder.Open(_folder), "tag");
        VirtioFileSystemState state = ((IUnit<VirtioFileSystemState>)_driver.Roster.Units[^1]).SaveState();
        state.IsInitialized = true;
        IUnit<VirtioFileSystemState> unit = (IUnit<VirtioFileSystemState>)other.Roster.Units[^1];

        unit.LoadState(state);

        Assert.True(unit.SaveState().IsInitialized);
        unit.Reset();
        Assert.False(unit.SaveState().IsInitialized);
    }

    [Fact]
    public void Load_AnotherShare_IsRefusedByTag()
    {
        using VirtioDriver other = NewDriver(HostFolder.Open(_folder), "music");

        StateException error = Assert.Throws<StateException>(() => other.Roster.Load(_driver.Roster.Save()));

        Assert.Contains("music", error.Message, StringComparison.Ordinal);
        Assert.Contains("pci/01.0/file-system", error.Message, StringComparison.Ordinal);
    }

    private static VirtioDriver NewDriver(HostFolder share, string tag) => new(memory => new VirtioFileSystem(memory, share, tag));
}
