using System.Text;
using Strata.Core.Sharing;
using Strata.Shares.Tests.Harness;

namespace Strata.Shares.Tests;

/// <summary>xattr(7) through a share: which names there are, and where the host has them.</summary>
public sealed class ExtendedAttributeTests : IDisposable
{
    private const uint Make = 1;
    private const uint Replace = 2;

    private readonly SharedTree _tree = new();
    private readonly ulong _file;

    public ExtendedAttributeTests()
    {
        _tree.Write("file", "content");
        _file = _tree.NodeOf("file");
    }

    public void Dispose() => _tree.Dispose();

    [AttributeTheory]
    [InlineData("user.comment", "user.comment")]
    [InlineData("trusted.overlay.opaque", "user.strata.trusted.overlay.opaque")]
    [InlineData("security.capability", "user.strata.security.capability")]
    public void Set_NameThatIsServed_IsWhereTheDocumentSays(string name, string hostName)
    {
        Assert.Equal(Errno.None, Set(name, "value"));

        Assert.Equal("value", HostAttributes.Get(_tree.PathOf("file"), hostName));
        Assert.Equal((Errno.None, "value"), Get(name));
        Assert.Equal((Errno.None, name + "\0"), List());
        Assert.Equal(Errno.None, _tree.Share.RemoveExtendedAttribute(_file, SharedTree.Bytes(name)));
        Assert.Equal((Errno.ENODATA, ""), Get(name));
        Assert.Null(HostAttributes.Get(_tree.PathOf("file"), hostName));
    }

    [AttributeFact]
    public void Get_AttributeOfTheHostsUser_IsTheSame()
    {
        HostAttributes.TrySet(_tree.PathOf("file"), "user.origin", "host");

        Assert.Equal((Errno.None, "host"), Get("user.origin"));
    }

    /// <summary>Labels would say to the host's security module what a guest wants them to; ACLs name users by the host's numbers.</summary>
    [Theory]
    [InlineData("security.selinux")]
    [InlineData("security.SMACK64")]
    [InlineData("security.ima")]
    [InlineData("system.posix_acl_access")]
    [InlineData("system.posix_acl_default")]
    [InlineData("btrfs.compression")]
    [InlineData("user.")]
    [InlineData("trusted.")]
    [InlineData("user")]
    [InlineData("")]
    public void Set_NameThatIsNotServed_IsNotSupported(string name)
    {
        Assert.Equal(Errno.EOPNOTSUPP, Set(name, "value"));
        Assert.Equal((Errno.EOPNOTSUPP, ""), Get(name));
        Assert.Equal(Errno.EOPNOTSUPP, _tree.Share.RemoveExtendedAttribute(_file, SharedTree.Bytes(name)));
    }

    [AttributeFact]
    public void List_AttributesThatAreNotTheGuests_AreNotInIt()
    {
        HostAttributes.TrySet(_tree.PathOf("file"), "user.strata.owner", "1:1");
        HostAttributes.TrySet(_tree.PathOf("file"), "user.strata.unknown", "1");
        HostAttributes.TrySet(_tree.PathOf("file"), "user.visible", "1");

        Assert.Equal((Errno.None, "user.visible\0"), List());
    }

    [AttributeFact]
    public void Set_Flags_AreThoseOfTheCall()
    {
        Assert.Equal(Errno.ENODATA, Set("user.a", "1", Replace));
        Assert.Equal(Errno.None, Set("user.a", "1", Make));
        Assert.Equal(Errno.EEXIST, Set("user.a", "2", Make));
        Assert.Equal(Errno.None, Set("user.a", "3", Replace));
        Assert.Equal((Errno.None, "3"), Get("user.a"));
    }

    [AttributeFact]
    public void GetAndList_Sizes_AreThoseOfTheCall()
    {
        Set("user.a", "four");

        Assert.Equal(Errno.None, _tree.Share.GetExtendedAttribute(_file, "user.a"u8, [], out int length));
        Assert.Equal(Errno.ERANGE, _tree.Share.GetExtendedAttribute(_file, "user.a"u8, new byte[3], out _));
        Assert.Equal(Errno.None, _tree.Share.ListExtendedAttributes(_file, [], out int names));
        Assert.Equal(Errno.ERANGE, _tree.Share.ListExtendedAttributes(_file, new byte[6], out _));
        Assert.Equal((4, 7), (length, names));
    }

    [AttributeFact]
    public void Set_NameThatIsTooLongForTheHost_IsOutOfRange()
    {
        Assert.Equal(Errno.ERANGE, Set("trusted." + new string('x', 240), "value"));
        Assert.Equal(Errno.ERANGE, Set("user." + new string('x', 251), "value"));
        Assert.Equal(Errno.None, Set("user." + new string('x', 250), "value"));
    }

    [AttributeFact]
    public void Set_OnAFolder_Works()
    {
        Assert.Equal(Errno.None, _tree.Share.SetExtendedAttribute(IFileShare.Root, "user.a"u8, "1"u8, 0));

        Assert.Equal("1", HostAttributes.Get(_tree.Root, "user.a"));
    }

    [Fact]
    public void Set_OnALink_IsRefusedAndLeavesItsTargetAlone()
    {
        File.CreateSymbolicLink(_tree.PathOf("link"), _tree.SecretPath);

        Assert.Equal(Errno.EPERM, _tree.Share.SetExtendedAttribute(_tree.NodeOf("link"), "user.a"u8, "1"u8, 0));

        Assert.Null(HostAttributes.Get(_tree.SecretPath, "user.a"));
    }

    [AttributeFact]
    public void SetAndRemove_ReadOnlyShare_AreRefused()
    {
        using SharedTree tree = new(readOnly: true);
        HostAttributes.TrySet(tree.Write("file", ""), "user.a", "1");
        ulong file = tree.NodeOf("file");

        Assert.Equal(Errno.EROFS, tree.Share.SetExtendedAttribute(file, "user.a"u8, "2"u8, 0));
        Assert.Equal(Errno.EROFS, tree.Share.RemoveExtendedAttribute(file, "user.a"u8));
        Assert.Equal("1", HostAttributes.Get(tree.PathOf("file"), "user.a"));
    }

    public static TheoryData<string> Changes => ["write", "truncate", "open", "owner", "allocate", "copy"];

    /// <summary>Who can write a program could give it other content with its capabilities.</summary>
    [AttributeTheory]
    [MemberData(nameof(Changes))]
    public void Capability_OfAFileThatChanges_IsDropped(string change)
    {
        ulong handle = _tree.OpenFile("file", OpenMode.Read | OpenMode.Write);
        Set("security.capability", "first");
        _tree.Share.Write(handle, 0, "x"u8, cached: false, out _);
        Set("security.capability", "second"); // also when it had one before

        Errno error = change switch
        {
            "write" => _tree.Share.Write(handle, 0, "x"u8, cached: true, out _),
            "truncate" => _tree.Share.SetAttributes(_file, new AttributeChange { Size = 3 }, out _),
            "open" => _tree.Share.Open(_file, OpenMode.Write | OpenMode.Truncate, out _, out _),
            "owner" => _tree.Share.SetAttributes(_file, new AttributeChange { UserId = 0 }, out _),
            "allocate" => _tree.Share.Allocate(handle, 0, 0, 10),
            _ => _tree.Share.CopyRange(handle, 0, handle, 10, 3, out _),
        };

        Assert.Equal(Errno.None, error);
        Assert.Equal((Errno.ENODATA, ""), Get("security.capability"));
    }

    [AttributeFact]
    public void Capability_OfAFileThatIsRead_Stays()
    {
        Set("security.capability", "value");
        ulong handle = _tree.OpenFile("file", OpenMode.Read);

        _tree.Share.Read(handle, 0, new byte[10], out _);
        _tree.Share.SetAttributes(_file, new AttributeChange { Mode = 0x1ED }, out _);

        Assert.Equal((Errno.None, "value"), Get("security.capability"));
    }

    private Errno Set(string name, string value, uint flags = 0) =>
        _tree.Share.SetExtendedAttribute(_file, SharedTree.Bytes(name), SharedTree.Bytes(value), flags);

    private (Errno Error, string Value) Get(string name)
    {
        byte[] value = new byte[100];
        Errno error = _tree.Share.GetExtendedAttribute(_file, SharedTree.Bytes(name), value, out int length);
        return (error, Encoding.UTF8.GetString(value, 0, length));
    }

    private (Errno Error, string Names) List()
    {
        byte[] names = new byte[1000];
        Errno error = _tree.Share.ListExtendedAttributes(_file, names, out int length);
        return (error, Encoding.UTF8.GetString(names, 0, length));
    }
}
