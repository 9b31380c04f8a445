using System.Runtime.InteropServices;
using Iced.Intel;

namespace Strata.X86.Tests.HostCpu;

/// <summary>A piece of executable memory. x64 Linux only.</summary>
public sealed unsafe partial class HostCodePage : IDisposable
{
    private const int ProtReadWriteExecute = 7;
    private const int MapPrivateAnonymous = 0x22;
    private const int Map32Bit = 0x40;
    private readonly nint _address;
    private readonly int _size;

    /// <param name="size">Bytes.</param>
    /// <param name="low">Below 2 GiB, so that 32-bit addresses reach it.</param>
    public HostCodePage(int size, bool low = false)
    {
        _size = size;
        _address = Map(0, (nuint)size, ProtReadWriteExecute, MapPrivateAnonymous | (low ? Map32Bit : 0), -1, 0);
        if (_address == -1)
        {
            throw new InvalidOperationException($"mmap of {size} executable bytes failed: errno {Marshal.GetLastPInvokeError()}.");
        }
    }

    public ulong Address => (ulong)_address;

    /// <summary>Assembles 64-bit code for an address.</summary>
    public static byte[] Assemble(Action<Assembler> emit, ulong address)
    {
        ArgumentNullException.ThrowIfNull(emit);
        Assembler assembler = new(64);
        emit(assembler);
        using MemoryStream stream = new();
        assembler.Assemble(new StreamCodeWriter(stream), address);
        return stream.ToArray();
    }

    /// <summary>Writes pieces of code one behind the other, from the start of the page.</summary>
    public void Write(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third)
    {
        Span<byte> page = new((void*)_address, _size);
        first.CopyTo(page);
        second.CopyTo(page[first.Length..]);
        third.CopyTo(page[(first.Length + second.Length)..]);
    }

    public void Dispose() => Unmap(_address, (nuint)_size);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
