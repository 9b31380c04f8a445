using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Sharing;
using Strata.Shares;
using Strata.Virtio.FileSystem;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Tests.Harness;

/// <summary>
/// The guest's side of FUSE over a share of a temporary folder with a secret beside it: requests as bytes in guest memory.
/// Linux, include/uapi/linux/fuse.h.
/// </summary>
internal sealed class FuseGuest : IDisposable
{
    public const uint Lookup = 1;
    public const uint GetAttributes = 3;
    public const uint Initialize = 26;
    public const ulong Root = 1;
    public const string Secret = "the secret outside of the share";

    private const ulong RamSize = 1 << 20;
    private const ulong RequestPlace = 0x1_0000;
    private const ulong ReplyPlace = 0x4_0000;
    private const int ReplySize = 0x2_0000;

    private readonly string _all = Directory.CreateTempSubdirectory("strata-fuse-").FullName;
    private readonly GuestMemory _memory = new(RamSize);
    private readonly AddressSpace _space = new();
    private readonly FuseServer _server;
    private readonly HostFolder _share;
    private ulong _unique;

    public FuseGuest()
    {
        Directory.CreateDirectory(Folder);
        File.WriteAllText(Path.Combine(_all, "secret"), Secret);
        _space.MapRam(0, _memory, 0, RamSize);
        _share = HostFolder.Open(Folder);
        _server = new FuseServer(_space, _share, TimeSpan.Zero);
    }

    public string Folder => Path.Combine(_all, "shared");

    public string Outside => _all;

    public AddressSpace Space => _space;

    public static byte[] Numbers(params ulong[] values)
    {
        byte[] bytes = new byte[values.Length * 8];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * 8), values[i]);
        }

        return bytes;
    }

    public static byte[] Name(string name) => [.. System.Text.Encoding.UTF8.GetBytes(name), 0];

    /// <summary>A request with its header.</summary>
    public byte[] Build(uint operation, ulong node, ReadOnlySpan<byte> arguments)
    {
        byte[] request = new byte[40 + arguments.Length];
        BinaryPrimitives.WriteInt32LittleEndian(request, request.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(4), operation);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), ++_unique);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(16), node);
        arguments.CopyTo(request.AsSpan(40));
        return request;
    }

    /// <summary>Sends a request that is right, and checks the answer's header.</summary>
    public (int Error, byte[] Body) Call(uint operation, ulong node, ReadOnlySpan<byte> arguments)
    {
        byte[] reply = Send(Build(operation, node, arguments));
        Assert.True(reply.Length >= 16, $"Operation {operation} had no answer.");
        Assert.Equal(reply.Length, BinaryPrimitives.ReadInt32LittleEndian(reply));
        Assert.Equal(_unique, BinaryPrimitives.ReadUInt64LittleEndian(reply.AsSpan(8)));
        return (-BinaryPrimitives.ReadInt32LittleEndian(reply.AsSpan(4)), reply[16..]);
    }

    /// <summary>Sends bytes.</summary>
    /// <param name="room">Bytes for the answer.</param>
    public byte[] Send(ReadOnlySpan<byte> request, int room = ReplySize)
    {
        request.CopyTo(_memory.Slice(RequestPlace, request.Length));
        return Serve(new DescriptorChain(0, [new(RequestPlace, (uint)request.Length, false), new(ReplyPlace, (uint)room, true)]))
            is var written ? _memory.Slice(ReplyPlace, (int)written).ToArray() : [];
    }

    public uint Serve(DescriptorChain chain) => _server.Serve(chain);

    public Span<byte> Memory(ulong at, int length) => _memory.Slice(at, length);

    public void Start() => Assert.Equal(0, Call(Initialize, 0, [7, 0, 0, 0, 38, 0, 0, 0, 0, 0, 2, 0, 0xFF, 0xFF, 0xFF, 0x7F]).Error);

    public void Reset() => _server.Reset();

    public void Dispose()
    {
        _share.Reset();
        Empty(Root);
        _share.Dispose();
        _memory.Dispose();
        Directory.Delete(_all, recursive: true);
    }

    /// <summary>Through the share, because names need not be text.</summary>
    private void Empty(ulong folder)
    {
        _share.SetAttributes(folder, new AttributeChange { Mode = 0x1C0 }, out _);
        Assert.Equal(Errno.None, _share.OpenFolder(folder, out ulong handle));
        List<byte[]> names = [];
        _share.SeekFolder(handle, 0);
        while (_share.ReadFolder(handle, out _, out ReadOnlySpan<byte> name) == Errno.None && !name.IsEmpty)
        {
            names.Add(name.ToArray());
        }

        _share.Close(handle);
        foreach (byte[] name in names.Where(name => !name.AsSpan().SequenceEqual("."u8) && !name.AsSpan().SequenceEqual(".."u8)))
        {
            Assert.Equal(Errno.None, _share.Lookup(folder, name, out FileEntry entry));
            if ((entry.Attributes.Mode & 0xF000) == 0x4000)
            {
                Empty(entry.Node);
                Assert.Equal(Errno.None, _share.RemoveFolder(folder, name));
            }
            else
            {
                Assert.Equal(Errno.None, _share.Unlink(folder, name));
            }
        }
    }
}
