using System.Text;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Machines.Boot;

namespace Strata.Machines.Tests.Boot;

/// <summary>A guest memory to load images into and to look at afterwards.</summary>
internal sealed class BootBench : IDisposable
{
    public const ulong Size = 16 << 20;
    public const ulong Rsdp = 0xE0000;

    private readonly GuestMemory _ram = new(Size);

    public BootBench() => Memory.MapRam(0, _ram, 0, Size);

    public AddressSpace Memory { get; } = new();

    public static IReadOnlyList<MemoryMapEntry> Map { get; } =
    [
        new(0, 0xA0000, 1),
        new(0xE0000, 0x20000, 2),
        new(0x100000, Size - 0x100000, 1),
    ];

    public BootRequest Request(byte[] kernel, byte[]? initrd = null, string commandLine = "") => new()
    {
        Memory = Memory,
        LowMemory = Size,
        MemoryMap = Map,
        Rsdp = Rsdp,
        Kernel = kernel,
        KernelName = "kernel.elf",
        Initrd = initrd,
        CommandLine = commandLine,
    };

    public BootEntry Load(byte[] kernel, byte[]? initrd = null, string commandLine = "") =>
        BootLoader.Load(Request(kernel, initrd, commandLine));

    public byte Read8(ulong gpa) => (byte)Memory.Read(gpa, AccessWidth.Byte);

    public ushort Read16(ulong gpa) => (ushort)Memory.Read(gpa, AccessWidth.Word);

    public uint Read32(ulong gpa) => (uint)Memory.Read(gpa, AccessWidth.Dword);

    public ulong Read64(ulong gpa) => Memory.Read(gpa, AccessWidth.Qword);

    public byte[] Bytes(ulong gpa, int length)
    {
        Assert.True(Memory.TryGetSpan(gpa, (uint)length, out ReadOnlySpan<byte> span), $"0x{gpa:x} is no RAM.");
        return span.ToArray();
    }

    /// <summary>A zero-terminated string.</summary>
    public string Text(ulong gpa)
    {
        StringBuilder text = new();
        for (byte next = Read8(gpa); next != 0; next = Read8(++gpa))
        {
            text.Append((char)next);
        }

        return text.ToString();
    }

    /// <summary>Makes RAM hold something, so that a zero that a test finds was written.</summary>
    public void Fill(ulong gpa, int length, byte value)
    {
        Assert.True(Memory.TryBeginWrite(gpa, (uint)length, out DmaWrite write), $"0x{gpa:x} is no RAM.");
        using (write)
        {
            write.Span.Fill(value);
        }
    }

    public void Dispose() => _ram.Dispose();
}
