using System.Text;

namespace Strata.Machines.Boot;

/// <summary>
/// What a loader tells a kernel beside the image: modules behind it, and one block of tables and strings, which lies where the image is
/// not.
/// </summary>
internal sealed class BootInformation
{
    private const ulong LowStart = 0x1000;
    private const ulong PreferredStart = 0xD000;
    private const ulong OneMegabyte = 0x100000;
    private const ulong TableAlignment = 0x100;
    private const int CommandLineLimit = 4095;

    private readonly BootRequest _request;
    private readonly GuestWriter _writer;

    public BootInformation(BootRequest request, GuestWriter writer)
    {
        _request = request;
        _writer = writer;
    }

    /// <summary>A zero-terminated string for the guest.</summary>
    /// <exception cref="BootImageException">It is longer than kernels expect.</exception>
    public static byte[] Terminated(string text, string what)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return bytes.Length <= CommandLineLimit
            ? [.. bytes, 0]
            : throw new BootImageException($"The {what} has {bytes.Length} bytes, the loader takes {CommandLineLimit}; shorten it.");
    }

    /// <summary>Places modules behind the kernel, below 4 GiB.</summary>
    /// <returns>Their addresses.</returns>
    /// <exception cref="BootImageException">They do not fit.</exception>
    public IReadOnlyList<ulong> PlaceModules(ulong kernelEnd, ulong alignment)
    {
        List<ulong> addresses = [];
        ulong from = Math.Max(kernelEnd, OneMegabyte);
        foreach (BootModule module in _request.AllModules)
        {
            ulong length = (ulong)module.Content.Length;
            ulong at = _writer.FindFree(_request.MemoryMap, length, alignment, from, _request.LowMemory)
                ?? _writer.FindFree(_request.MemoryMap, length, alignment, OneMegabyte, _request.LowMemory)
                ?? throw new BootImageException(
                    $"The module {module.Text} ({length:N0} bytes) does not fit beside the kernel into {_request.LowMemory >> 20} MiB; " +
                    $"give the machine more memory.");
            _writer.Write(at, module.Content.Span, $"module {addresses.Count}");
            addresses.Add(at);
        }

        return addresses;
    }

    /// <summary>Places the tables: in low memory, or behind everything else where the image fills that.</summary>
    /// <param name="build">Makes them for an address. How many bytes they are does not depend on it.</param>
    /// <returns>Their address.</returns>
    /// <exception cref="BootImageException">They do not fit.</exception>
    public ulong PlaceTables(Func<ulong, byte[]> build)
    {
        ulong length = (ulong)build(0).Length;
        ulong at = _writer.FindFree(_request.MemoryMap, length, TableAlignment, PreferredStart, OneMegabyte)
            ?? _writer.FindFree(_request.MemoryMap, length, TableAlignment, LowStart, OneMegabyte)
            ?? _writer.FindFree(_request.MemoryMap, length, TableAlignment, OneMegabyte, _request.LowMemory)
            ?? throw new BootImageException(
                "The kernel and its modules leave no room for the loader's tables; give the machine more memory.");
        _writer.Write(at, build(at), "boot information");
        return at;
    }
}
