using System.Runtime.Versioning;
using Strata.Core.Sharing;
using Strata.Shares.Tests.Harness;

namespace Strata.Shares.Tests;

/// <summary>A share whose files belong to one user of the guest, and what other guest users have there.</summary>
[SupportedOSPlatform("linux")]
public sealed class OwnershipTests : IDisposable
{
    private const string Note = "user.strata.owner";
    private static readonly FileOwner Owner = new(1000, 1000);
    private static readonly FileOwner Database = new(105, 110);

    private readonly SharedTree _tree = new(owner: Owner);

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void Lookup_FileOfTheHostsUser_IsTheOwners()
    {
        _tree.Write("file", "content");

        Assert.Equal((1000U, 1000U, 0x81A4U), View("file"));
    }

    [Fact]
    public void Create_ByTheOwner_IsHisWithoutANote()
    {
        Make("file", 0x1A4, Owner);

        Assert.Equal((1000U, 1000U, 0x81A4U), View("file"));
        Assert.Null(HostAttributes.Get(_tree.PathOf("file"), Note));
    }

    [AttributeTheory]
    [InlineData(0U, 0U)]
    [InlineData(105U, 110U)]
    [InlineData(1000U, 100U)]
    [InlineData(4294967294U, 4294967294U)]
    public void Create_ByAnother_IsHisInEveryRun(uint user, uint group)
    {
        Make("file", 0x1A0, new FileOwner(user, group));
        using HostFolder again = HostFolder.Open(_tree.Root, owner: Owner);

        Assert.Equal((user, group, 0x81A0U), View("file"));
        Assert.Equal(Errno.None, again.Lookup(IFileShare.Root, "file"u8, out FileEntry entry));
        Assert.Equal((user, group, 0x81A0U), (entry.Attributes.UserId, entry.Attributes.GroupId, entry.Attributes.Mode));
        Assert.Equal($"{user}:{group}", HostAttributes.Get(_tree.PathOf("file"), Note));
    }

    /// <summary>
    /// The guest's kernel has judged by the guest's permissions; the host's must not stand in the way of the file's owner.
    /// </summary>
    [AttributeTheory]
    [InlineData(0x124U, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead)] // 0444
    [InlineData(0x000U, UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [InlineData(0x030U, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite)] // 0060
    public void Create_ByAnotherWithoutAccess_KeepsTheHostsAccess(uint mode, UnixFileMode host)
    {
        Make("file", mode, Database);

        Assert.Equal((105U, 110U, 0x8000 | mode), View("file"));
        Assert.Equal(host, File.GetUnixFileMode(_tree.PathOf("file")));
    }

    [AttributeFact]
    public void MakeFolder_ByAnother_IsHis()
    {
        Assert.Equal(Errno.None, _tree.Share.MakeFolder(IFileShare.Root, "folder"u8, 0x16D, Database, out FileEntry entry)); // 0555

        Assert.Equal((105U, 110U, 0x416DU), (entry.Attributes.UserId, entry.Attributes.GroupId, entry.Attributes.Mode));
        Assert.Equal(Errno.None, _tree.Share.MakeFolder(entry.Node, "inside"u8, 0x1ED, Database, out _));
    }

    [AttributeFact]
    public void SetAttributes_ModeOfAnothersFile_ChangesWhatTheGuestSees()
    {
        Make("file", 0x1A4, Database);
        ulong node = _tree.NodeOf("file");

        _tree.Share.SetAttributes(node, new AttributeChange { Mode = 0x100 }, out NodeAttributes closed); // 0400
        _tree.Share.SetAttributes(node, new AttributeChange { Mode = 0x1ED }, out NodeAttributes open); // 0755

        Assert.Equal((0x8100U, 0x81EDU), (closed.Mode, open.Mode));
        Assert.Equal((105U, 110U, 0x81EDU), View("file"));
        Assert.Equal("105:110", HostAttributes.Get(_tree.PathOf("file"), Note));
    }

    [AttributeFact]
    public void SetAttributes_OwnerThereAndBack_LeavesNoNote()
    {
        _tree.Write("file", "content");
        ulong node = _tree.NodeOf("file");
        _tree.Share.SetAttributes(node, new AttributeChange { Mode = 0x120 }, out _); // 0440

        Errno there = _tree.Share.SetAttributes(node, new AttributeChange { UserId = 0, GroupId = 0 }, out NodeAttributes roots);
        Errno group = _tree.Share.SetAttributes(node, new AttributeChange { GroupId = 5 }, out NodeAttributes groups);
        Errno back = _tree.Share.SetAttributes(node, new AttributeChange { UserId = 1000, GroupId = 1000 }, out NodeAttributes again);

        Assert.Equal((Errno.None, Errno.None, Errno.None), (there, group, back));
        Assert.Equal((0U, 0U, 0x8120U), (roots.UserId, roots.GroupId, roots.Mode));
        Assert.Equal((0U, 5U, 0x8120U), (groups.UserId, groups.GroupId, groups.Mode));
        Assert.Equal((1000U, 1000U, 0x8120U), (again.UserId, again.GroupId, again.Mode));
        Assert.Null(HostAttributes.Get(_tree.PathOf("file"), Note));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupRead, File.GetUnixFileMode(_tree.PathOf("file")));
    }

    [AttributeFact]
    public void Lookup_ModeThatTheHostsUserChanged_IsTheHosts()
    {
        Make("file", 0x100, Database); // 0400

        File.SetUnixFileMode(_tree.PathOf("file"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);

        Assert.Equal((105U, 110U, 0x8184U), View("file"));
    }

    [AttributeTheory]
    [InlineData("")]
    [InlineData("105")]
    [InlineData("105:")]
    [InlineData(":110")]
    [InlineData("105:110:")]
    [InlineData("105:110:8888")]
    [InlineData("105:110:644")]
    [InlineData("105:110:00644")]
    [InlineData("-1:-1")]
    [InlineData("4294967295:0")]
    [InlineData("4294967296:0")]
    [InlineData("105:110 ")]
    [InlineData("0000000000000000000000000000000105:110")]
    public void Lookup_NoteThatIsNone_CountsForNothing(string note)
    {
        string path = _tree.Write("file", "content");
        Assert.True(HostAttributes.TrySet(path, Note, note));

        Assert.Equal((1000U, 1000U, 0x81A4U), View("file"));
    }

    [AttributeFact]
    public void Create_InAFolderThatGivesItsGroup_HasThatGroup()
    {
        FileOwner group = new(0, 50);
        Assert.Equal(Errno.None, _tree.Share.MakeFolder(IFileShare.Root, "folder"u8, 0x5FF, group, out FileEntry folder)); // 2777

        _tree.Share.Create(folder.Node, "file"u8, OpenMode.Write, 0x1A4, Database, out FileEntry file, out _);

        Assert.Equal((105U, 50U), (file.Attributes.UserId, file.Attributes.GroupId));
    }

    /// <summary>A link has no place for a note; tar and cp -a ask all the same, and would fail as a whole.</summary>
    [Fact]
    public void SetAttributes_OwnerOfALink_IsAcceptedAndForgotten()
    {
        _tree.Share.MakeSymbolicLink(IFileShare.Root, "link"u8, "target"u8, Database, out FileEntry link);

        Errno error = _tree.Share.SetAttributes(link.Node, new AttributeChange { UserId = 5, GroupId = 5 }, out NodeAttributes attributes);

        Assert.Equal((Errno.None, 1000U, 1000U), (error, attributes.UserId, attributes.GroupId));
    }

    [Fact]
    public void SetAttributes_OwnerOfAFifo_IsRefused()
    {
        _tree.Share.MakeNode(IFileShare.Root, "fifo"u8, 0x11B6, Database, out FileEntry fifo);

        Assert.Equal(Errno.EPERM, _tree.Share.SetAttributes(fifo.Node, new AttributeChange { UserId = 5 }, out _));
        Assert.Equal(Errno.None, _tree.Share.SetAttributes(fifo.Node, new AttributeChange { UserId = 1000 }, out _));
    }

    [AttributeFact]
    public void Note_FromTheGuest_CannotBeWrittenReadOrSeen()
    {
        Make("file", 0x1A4, Database);
        ulong node = _tree.NodeOf("file");
        byte[] names = new byte[100];

        Assert.Equal(Errno.EPERM, _tree.Share.SetExtendedAttribute(node, "user.strata.owner"u8, "0:0"u8, 0));
        Assert.Equal(Errno.ENODATA, _tree.Share.GetExtendedAttribute(node, "user.strata.owner"u8, names, out _));
        Assert.Equal(Errno.ENODATA, _tree.Share.RemoveExtendedAttribute(node, "user.strata.owner"u8));
        Assert.Equal(Errno.None, _tree.Share.ListExtendedAttributes(node, names, out int length));
        Assert.Equal(0, length);
    }

    private void Make(string name, uint mode, FileOwner owner)
    {
        Errno error = _tree.Share.Create(IFileShare.Root, SharedTree.Bytes(name), OpenMode.Write, mode, owner, out _, out ulong handle);
        Assert.Equal(Errno.None, error);
        Assert.Equal(Errno.None, _tree.Share.Write(handle, 0, "content"u8, cached: false, out _));
        _tree.Share.Close(handle);
    }

    private (uint User, uint Group, uint Mode) View(string name)
    {
        Assert.Equal(Errno.None, _tree.Share.GetAttributes(_tree.NodeOf(name), out NodeAttributes attributes));
        return (attributes.UserId, attributes.GroupId, attributes.Mode);
    }
}
