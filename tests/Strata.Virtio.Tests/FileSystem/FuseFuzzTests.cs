using System.Buffers.Binary;
using Strata.Virtio.Queue;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.FileSystem;

/// <summary>Requests that a hostile guest might send, over a folder full of links to the outside.</summary>
public sealed class FuseFuzzTests : IDisposable
{
    private const int Messages = 100_000;
    private const int RandomSeed = 8_471;

    private static readonly string[] Names =
        ["a", "b", "c", "folder", "link", "up", "..", ".", "", "secret", "../secret", "/etc/passwd", "folder/a", "shared"];

    private static readonly uint[] Operations =
        [
            1, 1, 1, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 12, 13, 14, 14, 15, 15, 16, 16, 17, 18, 20, 21, 22, 23, 24, 26, 27, 28, 29, 35, 35,
            38, 42, 43, 44, 45, 45, 46, 47];

    private readonly FuseGuest _guest = new();
    private readonly Random _random = new(RandomSeed);
    private readonly List<ulong> _nodes = [FuseGuest.Root];
    private readonly List<ulong> _handles = [0];

    public void Dispose() => _guest.Dispose();

    [Fact]
    public void Serve_MutatedRequests_NothingCrashesAndNothingLeaves()
    {
        Populate();
        _guest.Start();
        int succeeded = 0;
        for (int i = 0; i < Messages; i++)
        {
            byte[] request = Mutate(Next());
            byte[] reply = _guest.Send(request, _random.Next(20) == 0 ? _random.Next(64) : 0x2000);
            succeeded += Check(request, reply) ? 1 : 0;
        }

        Assert.InRange(succeeded, Messages / 20, Messages); // the generator reaches the operations, not the checks alone
        Assert.Equal(["secret", "shared"], Directory.EnumerateFileSystemEntries(_guest.Outside).Select(Path.GetFileName).Order());
        Assert.Equal(FuseGuest.Secret, File.ReadAllText(Path.Combine(_guest.Outside, "secret")));
        _guest.Reset();
        _guest.Start();
        Assert.Equal(0, _guest.Call(FuseGuest.GetAttributes, FuseGuest.Root, FuseGuest.Numbers(0, 0)).Error);
    }

    [Fact]
    public void Serve_RandomChains_NeverThrowsOrWritesOutsideThem()
    {
        _guest.Start();
        _guest.Memory(0x8_0000, 0x1000).Fill(0xA5);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] request = Next();
            int cut = _random.Next(request.Length);
            request.CopyTo(_guest.Memory(0x100, request.Length));
            GuestBuffer[] buffers =
            [
                new(0x100, (uint)cut, false),
                new(_random.Next(3) == 0 ? RandomAddress() : 0x100 + (uint)cut, (uint)(request.Length - cut), false),
                new(0x9_0000, (uint)_random.Next(100), true),
                new(_random.Next(3) == 0 ? RandomAddress() : 0xA_0000, (uint)_random.Next(), true),
            ];

            uint written = _guest.Serve(new DescriptorChain(0, buffers));

            Assert.InRange(written, 0U, 16U + (1 << 20));
        }

        Assert.Equal(-1, _guest.Memory(0x8_0000, 0x1000).IndexOfAnyExcept((byte)0xA5));
    }

    private string Attribute() => _random.Next(6) switch
    {
        0 => "user.a",
        1 => "trusted.a",
        2 => "security.capability",
        3 => "user.strata.owner",
        4 => "security.selinux",
        _ => new string('x', _random.Next(300)),
    };

    private ulong RandomAddress() => _random.Next(4) switch
    {
        0 => 0xB_0000 + (ulong)_random.Next(0x4_0000),
        1 => 0xF_FFF0,
        2 => ulong.MaxValue - 10,
        _ => 0x8000_0000,
    };

    private void Populate()
    {
        Directory.CreateDirectory(Path.Combine(_guest.Folder, "folder"));
        File.WriteAllText(Path.Combine(_guest.Folder, "a"), "inside");
        File.WriteAllText(Path.Combine(_guest.Folder, "folder/a"), "deeper inside");
        File.CreateSymbolicLink(Path.Combine(_guest.Folder, "link"), Path.Combine(_guest.Outside, "secret"));
        Directory.CreateSymbolicLink(Path.Combine(_guest.Folder, "up"), "..");
    }

    /// <summary>A request that could be right, with numbers that the server gave out and names that exist.</summary>
    private byte[] Next()
    {
        uint operation = Operations[_random.Next(Operations.Length)];
        byte[] name = FuseGuest.Name(Names[_random.Next(Names.Length)]);
        byte[] other = FuseGuest.Name(Names[_random.Next(Names.Length)]);
        ulong node = Pick(_nodes);
        ulong handle = Pick(_handles);
        ulong small = (ulong)_random.Next(10_000);
        ulong flags = (uint)_random.Next(4) | (_random.Next(3) == 0 ? 0x200UL : 0) | (_random.Next(3) == 0 ? 0x400UL : 0);
        byte[] arguments = operation switch
        {
            2 or 18 or 29 or 46 => FuseGuest.Numbers(handle, small, (ulong)_random.Next(6)),
            4 => [.. FuseGuest.Numbers((ulong)_random.Next(0x800), handle, small), .. Bytes(64)],
            6 => [.. name, .. other],
            8 => [.. FuseGuest.Numbers((ulong)_random.Next(0x10000), 0), .. name],
            9 => [.. FuseGuest.Numbers(0x1FF), .. name],
            12 => [.. FuseGuest.Numbers(Pick(_nodes)), .. name, .. other],
            13 => [.. FuseGuest.Numbers(Pick(_nodes)), .. name],
            14 or 27 => FuseGuest.Numbers(flags),
            15 or 28 or 44 => FuseGuest.Numbers(handle, small * (ulong)_random.Next(2), 4096, 0, 0),
            16 => [.. FuseGuest.Numbers(handle, small, 100, 0, 0), .. Bytes(100)],
            21 => [.. FuseGuest.Numbers((uint)_random.Next(40)), .. FuseGuest.Name(Attribute()), .. Bytes(30)],
            22 => [.. FuseGuest.Numbers((uint)_random.Next(80)), .. FuseGuest.Name(Attribute())],
            23 => FuseGuest.Numbers((uint)_random.Next(200)),
            24 => FuseGuest.Name(Attribute()),
            26 => [7, 0, 0, 0, 38, 0, 0, 0, .. Bytes(8)],
            35 => [.. FuseGuest.Numbers(flags | (0x1B6UL << 32), 0), .. name],
            38 => _random.Next(50) == 0 ? [] : name,
            42 => [.. FuseGuest.Numbers(2, Pick(_nodes), 1, Pick(_nodes), small)],
            43 => FuseGuest.Numbers(handle, small, small, (ulong)_random.Next(0x20)),
            45 => [.. FuseGuest.Numbers(Pick(_nodes), (ulong)_random.Next(5)), .. name, .. other],
            47 => FuseGuest.Numbers(handle, small, 0, Pick(_handles), small, small, 0),
            _ => name,
        };
        return _guest.Build(operation == 38 && arguments.Length > 0 ? 3 : operation, node, arguments);
    }

    /// <summary>Every third request is damaged.</summary>
    private byte[] Mutate(byte[] request)
    {
        if (_random.Next(3) != 0)
        {
            return request;
        }

        for (int i = _random.Next(1, 5); i > 0; i--)
        {
            int at = _random.Next(4) == 0 ? _random.Next(request.Length) : Math.Min(_random.Next(16, 72), request.Length - 1);
            request[at] = _random.Next(3) switch { 0 => 0xFF, 1 => 0, _ => (byte)_random.Next(256) };
        }

        return _random.Next(4) == 0 ? request[.._random.Next(request.Length)] : request;
    }

    /// <returns>Whether the server did what was asked.</returns>
    private bool Check(byte[] request, byte[] reply)
    {
        if (reply.Length == 0)
        {
            return false;
        }

        Assert.Equal(reply.Length, BinaryPrimitives.ReadInt32LittleEndian(reply));
        int error = BinaryPrimitives.ReadInt32LittleEndian(reply.AsSpan(4));
        Assert.InRange(error, -4095, 0);
        Assert.Equal(request.AsSpan(8, 8), reply.AsSpan(8, 8));
        Assert.Equal(-1, reply.AsSpan().IndexOf("the secret"u8));
        if (error != 0)
        {
            Assert.Equal(16, reply.Length);
            return false;
        }

        switch (BinaryPrimitives.ReadUInt32LittleEndian(request.AsSpan(4)))
        {
            case 1 or 6 or 8 or 9 or 13:
                Keep(_nodes, BinaryPrimitives.ReadUInt64LittleEndian(reply.AsSpan(16)));
                break;
            case 14 or 27:
                Keep(_handles, BinaryPrimitives.ReadUInt64LittleEndian(reply.AsSpan(16)));
                break;
            case 35:
                Keep(_nodes, BinaryPrimitives.ReadUInt64LittleEndian(reply.AsSpan(16)));
                Keep(_handles, BinaryPrimitives.ReadUInt64LittleEndian(reply.AsSpan(144)));
                break;
            default:
                break;
        }

        return true;
    }

    private static void Keep(List<ulong> numbers, ulong number)
    {
        if (numbers.Count > 50)
        {
            numbers.RemoveAt(1);
        }

        numbers.Add(number);
    }

    private ulong Pick(List<ulong> numbers) => numbers[_random.Next(numbers.Count)];

    private byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        _random.NextBytes(bytes);
        return bytes;
    }
}
