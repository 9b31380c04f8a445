using System.Buffers.Binary;
using Strata.Core.Sharing;
using Strata.Virtio.Queue;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.FileSystem;

/// <summary>The protocol's structures. Linux, include/uapi/linux/fuse.h.</summary>
public sealed class FuseServerTests : IDisposable
{
    private const uint SetAttributes = 4;
    private const uint Rename = 12;
    private const uint Open = 14;
    private const uint Read = 15;
    private const uint Write = 16;
    private const uint Release = 18;
    private const uint SetExtendedAttribute = 21;
    private const uint GetExtendedAttribute = 22;
    private const uint ListExtendedAttributes = 23;
    private const uint RemoveExtendedAttribute = 24;
    private const uint OpenFolder = 27;
    private const uint ReadFolder = 28;
    private const uint ReadFolderPlus = 44;
    private const uint Create = 35;

    private readonly FuseGuest _guest = new();

    public void Dispose() => _guest.Dispose();

    [Fact]
    public void Initialize_Linux61_AgreesOnVersionSizesAndFeatures()
    {
        (int error, byte[] body) = _guest.Call(FuseGuest.Initialize, 0, [7, 0, 0, 0, 37, 0, 0, 0, 0, 0, 2, 0, 0xFF, 0xFF, 0xFF, 0x7F]);

        Assert.Equal((0, 64), (error, body.Length));
        Assert.Equal((7, 38, 0x20000), (U32(body, 0), U32(body, 4), U32(body, 8)));
        Assert.Equal(1 << 20, U32(body, 20));
        Assert.Equal(256, BinaryPrimitives.ReadUInt16LittleEndian(body.AsSpan(28)));
        int features = U32(body, 12);
        Assert.Equal(1 << 12, features & (1 << 12)); // the page cache follows the file
        Assert.Equal(1 << 4, features & (1 << 4)); // handles outlive what the guest knows
        Assert.Equal(1 << 28, features & (1 << 28)); // writes need not ask for capabilities first
        Assert.Equal(0, features & ((1 << 1) | (1 << 10) | (1 << 16) | (1 << 20))); // no remote locks, write-back cache, ACLs
    }

    [Fact]
    public void Initialize_OldDriver_IsRefused() =>
        Assert.Equal((int)Errno.EPROTO, _guest.Call(FuseGuest.Initialize, 0, [7, 0, 0, 0, 22, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0]).Error);

    [Fact]
    public void Request_BeforeInitialize_IsAnError() =>
        Assert.Equal((int)Errno.EIO, _guest.Call(FuseGuest.GetAttributes, FuseGuest.Root, FuseGuest.Numbers(0, 0)).Error);

    [Fact]
    public void Lookup_File_HasEntryAndAttributes()
    {
        _guest.Start();
        File.WriteAllText(Path.Combine(_guest.Folder, "file"), "12345");

        (int error, byte[] body) = _guest.Call(FuseGuest.Lookup, FuseGuest.Root, FuseGuest.Name("file"));

        Assert.Equal((0, 128), (error, body.Length));
        Assert.NotEqual(0, U64(body, 0));
        Assert.Equal(5, U64(body, 40 + 8)); // size
        Assert.Equal(0x8000, U32(body, 40 + 60) & 0xF000); // mode
    }

    [Fact]
    public void Lookup_Missing_IsNoEntry()
    {
        _guest.Start();

        Assert.Equal(
            ((int)Errno.ENOENT, 0), (_guest.Call(FuseGuest.Lookup, FuseGuest.Root, FuseGuest.Name("x")) is var (e, b) ? e : 0, b.Length));
    }

    [Fact]
    public void CreateWriteRead_ScatteredBuffers_KeepTheirOrder()
    {
        _guest.Start();
        (_, byte[] created) = _guest.Call(Create, FuseGuest.Root, [.. Halves(2, 0x1A4, 0, 0), .. FuseGuest.Name("new")]);
        long handle = U64(created, 128);

        byte[] content = "scattered content"u8.ToArray();
        (int error, byte[] written) = _guest.Call(
            Write, 0, [.. FuseGuest.Numbers((ulong)handle, 0, (ulong)content.Length, 0, 0), .. content]);

        Assert.Equal((0, content.Length), (error, U32(written, 0)));
        Assert.Equal("scattered content", File.ReadAllText(Path.Combine(_guest.Folder, "new")));
        byte[] request = _guest.Build(Read, 0, FuseGuest.Numbers((ulong)handle, 3, 100, 0, 0));
        request.CopyTo(_guest.Memory(0x100, request.Length));
        GuestBuffer[] buffers =
            [
                new(0x100, 7, false), new(0x107, (uint)request.Length - 7, false), new(0x2000, 10, true), new(0x3000, 8, true),
                new(0x4000, 1000, true)];
        Assert.Equal(16U + 14, _guest.Serve(new DescriptorChain(0, buffers)));
        Assert.Equal(30, U32(_guest.Memory(0x2000, 4).ToArray(), 0));
        Assert.Equal("tt"u8, _guest.Memory(0x3006, 2));
        Assert.Equal("ered content"u8, _guest.Memory(0x4000, 12));
    }

    [Fact]
    public void ReadFolderPlus_Names_HaveEntriesThatWork()
    {
        _guest.Start();
        File.WriteAllText(Path.Combine(_guest.Folder, "some-file"), "1234");
        (_, byte[] opened) = _guest.Call(OpenFolder, FuseGuest.Root, FuseGuest.Numbers(0));

        (int error, byte[] body) = _guest.Call(ReadFolderPlus, FuseGuest.Root, FuseGuest.Numbers((ulong)U64(opened, 0), 0, 4096, 0, 0));

        Assert.Equal(0, error);
        Dictionary<string, long> nodes = [];
        for (int at = 0; at < body.Length;)
        {
            int length = U32(body, at + 128 + 16);
            nodes.Add(System.Text.Encoding.UTF8.GetString(body, at + 152, length), U64(body, at));
            at += (152 + length + 7) & ~7;
        }

        Assert.Equal([".", "..", "some-file"], nodes.Keys.Order(StringComparer.Ordinal));
        Assert.Equal((0, 0), (nodes["."], nodes[".."]));
        (_, byte[] attributes) = _guest.Call(FuseGuest.GetAttributes, (ulong)nodes["some-file"], FuseGuest.Numbers(0, 0));
        Assert.Equal(4, U64(attributes, 16 + 8));
    }

    [Fact]
    public void ReadFolder_SmallBuffer_IsReadInPieces()
    {
        _guest.Start();
        string[] names = [.. Enumerable.Range(0, 300).Select(i => $"name-{i:d3}")];
        foreach (string name in names)
        {
            File.WriteAllText(Path.Combine(_guest.Folder, name), "");
        }

        (_, byte[] opened) = _guest.Call(OpenFolder, FuseGuest.Root, FuseGuest.Numbers(0));
        List<string> seen = [];
        ulong offset = 0;
        while (true)
        {
            (int error, byte[] body) = _guest.Call(ReadFolder, FuseGuest.Root, FuseGuest.Numbers((ulong)U64(opened, 0), offset, 200, 0, 0));
            Assert.Equal(0, error);
            Assert.InRange(body.Length, 0, 200);
            if (body.Length == 0)
            {
                break;
            }

            for (int at = 0; at < body.Length;)
            {
                int length = U32(body, at + 16);
                offset = (ulong)U64(body, at + 8);
                seen.Add(System.Text.Encoding.UTF8.GetString(body, at + 24, length));
                at += (24 + length + 7) & ~7;
            }
        }

        Assert.Equal([".", "..", .. names], seen.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(25U)] // FLUSH: every write reached the host already
    [InlineData(31U)] // GETLK: the guest's kernel keeps the locks
    [InlineData(48U)] // SETUPMAPPING
    [InlineData(0xFFFF_FFFFU)]
    public void Operation_NotServed_IsNotImplemented(uint operation)
    {
        _guest.Start();

        Assert.Equal((int)Errno.ENOSYS, _guest.Call(operation, FuseGuest.Root, new byte[64]).Error);
    }

    [Theory]
    [InlineData(FuseGuest.Lookup, 0)]
    [InlineData(SetAttributes, 87)]
    [InlineData(Open, 7)]
    [InlineData(Read, 39)]
    [InlineData(Rename, 8)]
    [InlineData(SetExtendedAttribute, 7)]
    [InlineData(GetExtendedAttribute, 7)]
    [InlineData(ListExtendedAttributes, 7)]
    [InlineData(RemoveExtendedAttribute, 0)]
    public void Request_TooShort_IsInvalid(uint operation, int length)
    {
        _guest.Start();

        Assert.Equal((int)Errno.EINVAL, _guest.Call(operation, FuseGuest.Root, new byte[length]).Error);
    }

    /// <summary>What a driver asks that has a handle and no inode any more.</summary>
    [Fact]
    public void Lookup_DotAndDotDot_AreTheNodeItselfAndItsFolder()
    {
        _guest.Start();
        Directory.CreateDirectory(Path.Combine(_guest.Folder, "folder"));
        File.WriteAllText(Path.Combine(_guest.Folder, "folder", "file"), "12345");
        (_, byte[] folder) = _guest.Call(FuseGuest.Lookup, FuseGuest.Root, FuseGuest.Name("folder"));
        (_, byte[] file) = _guest.Call(FuseGuest.Lookup, (ulong)U64(folder, 0), FuseGuest.Name("file"));
        _guest.Send(_guest.Build(2, (ulong)U64(file, 0), FuseGuest.Numbers(1)));
        _guest.Send(_guest.Build(2, (ulong)U64(folder, 0), FuseGuest.Numbers(1)));

        (int error, byte[] itself) = _guest.Call(FuseGuest.Lookup, (ulong)U64(file, 0), FuseGuest.Name("."));
        (int errorAbove, byte[] above) = _guest.Call(FuseGuest.Lookup, (ulong)U64(file, 0), FuseGuest.Name(".."));

        Assert.Equal((0, 0), (error, errorAbove));
        Assert.Equal((U64(file, 0), U64(file, 8), 5), (U64(itself, 0), U64(itself, 8), U64(itself, 40 + 8)));
        Assert.Equal((U64(folder, 0), U64(folder, 8)), (U64(above, 0), U64(above, 8)));
        Assert.Equal((int)Errno.ESTALE, _guest.Call(FuseGuest.Lookup, 12345, FuseGuest.Name(".")).Error);
    }

    [Fact]
    public void ExtendedAttribute_SetReadListedAndRemoved_IsWhatItWas()
    {
        _guest.Start();
        (int set, _) = _guest.Call(SetExtendedAttribute, FuseGuest.Root, [.. Halves(5, 0), .. FuseGuest.Name("trusted.a"), .. "value"u8]);

        (int read, byte[] value) = _guest.Call(GetExtendedAttribute, FuseGuest.Root, [.. Halves(100, 0), .. FuseGuest.Name("trusted.a")]);
        (int sized, byte[] size) = _guest.Call(GetExtendedAttribute, FuseGuest.Root, [.. Halves(0, 0), .. FuseGuest.Name("trusted.a")]);
        (int listed, byte[] names) = _guest.Call(ListExtendedAttributes, FuseGuest.Root, Halves(100, 0));
        (int counted, byte[] count) = _guest.Call(ListExtendedAttributes, FuseGuest.Root, Halves(0, 0));
        (int removed, _) = _guest.Call(RemoveExtendedAttribute, FuseGuest.Root, FuseGuest.Name("trusted.a"));

        Assert.Equal((0, 0, 0, 0, 0, 0), (set, read, sized, listed, counted, removed));
        Assert.Equal("value"u8, value);
        Assert.Equal("trusted.a\0"u8, names);
        Assert.Equal((8, 5), (size.Length, U32(size, 0)));
        Assert.Equal((8, 10), (count.Length, U32(count, 0)));
        Assert.Equal(
            (int)Errno.ENODATA, _guest.Call(GetExtendedAttribute, FuseGuest.Root, [.. Halves(0, 0), .. FuseGuest.Name("trusted.a")]).Error);
    }

    [Fact]
    public void ExtendedAttribute_LabelOfASecurityModule_IsNotSupported()
    {
        _guest.Start();

        Assert.Equal(
            (int)Errno.EOPNOTSUPP,
            _guest.Call(SetExtendedAttribute, FuseGuest.Root, [.. Halves(1, 0), .. FuseGuest.Name("security.selinux"), 0]).Error);
    }

    [Theory]
    [InlineData(3U)]
    [InlineData(uint.MaxValue)]
    public void SetExtendedAttribute_LessValueThanSaid_IsInvalid(uint size)
    {
        _guest.Start();

        Assert.Equal(
            (int)Errno.EINVAL,
            _guest.Call(SetExtendedAttribute, FuseGuest.Root, [.. Halves(size, 0), .. FuseGuest.Name("user.a"), 1, 2]).Error);
    }

    [Fact]
    public void Lookup_NameWithoutEnd_IsInvalid()
    {
        _guest.Start();

        Assert.Equal((int)Errno.EINVAL, _guest.Call(FuseGuest.Lookup, FuseGuest.Root, "name"u8).Error);
    }

    [Fact]
    public void Write_LessContentThanSaid_IsInvalid()
    {
        _guest.Start();
        (_, byte[] created) = _guest.Call(Create, FuseGuest.Root, [.. Halves(2, 0x1A4, 0, 0), .. FuseGuest.Name("new")]);

        Assert.Equal((int)Errno.EINVAL, _guest.Call(Write, 0, FuseGuest.Numbers((ulong)U64(created, 128), 0, 100, 0, 0)).Error);
    }

    [Fact]
    public void Forget_Node_HasNoAnswer()
    {
        _guest.Start();

        Assert.Empty(_guest.Send(_guest.Build(2, 99, FuseGuest.Numbers(1))));
        Assert.Empty(_guest.Send(_guest.Build(42, 0, FuseGuest.Numbers(uint.MaxValue, 99, 1))));
        Assert.Empty(_guest.Send(_guest.Build(2, 99, [])));
    }

    [Theory]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(100)]
    public void Reply_NoRoom_WritesNothingBehindIt(int room)
    {
        _guest.Start();

        byte[] reply = _guest.Send(_guest.Build(FuseGuest.GetAttributes, FuseGuest.Root, FuseGuest.Numbers(0, 0)), room);

        Assert.Empty(reply);
    }

    [Fact]
    public void Reset_OpenFile_ClosesItAndAsksForInitialize()
    {
        _guest.Start();
        (_, byte[] opened) = _guest.Call(OpenFolder, FuseGuest.Root, FuseGuest.Numbers(0));

        _guest.Reset();

        Assert.Equal((int)Errno.EIO, _guest.Call(Release, 0, FuseGuest.Numbers((ulong)U64(opened, 0), 0, 0)).Error);
        _guest.Start();
        Assert.Equal(
            (int)Errno.EBADF, _guest.Call(ReadFolder, FuseGuest.Root, FuseGuest.Numbers((ulong)U64(opened, 0), 0, 200, 0, 0)).Error);
    }

    private static byte[] Halves(params uint[] values)
    {
        byte[] bytes = new byte[values.Length * 4];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * 4), values[i]);
        }

        return bytes;
    }

    private static int U32(byte[] bytes, int at) => BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at));

    private static long U64(byte[] bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(at));
}
