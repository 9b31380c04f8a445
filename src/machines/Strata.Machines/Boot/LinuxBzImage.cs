using System.Buffers.Binary;
using System.Text;

namespace Strata.Machines.Boot;

/// <summary>
/// The Linux/x86 boot protocol, 2.06 and later. Linux kernel documentation, "The Linux/x86 Boot Protocol" and "Zero Page".
/// </summary>
public static class LinuxBzImage
{
    private const int SetupHeader = 0x1F1;
    private const int HeaderMagic = 0x202;
    private const int ZeroPageSize = 4096;
    private const int MaxE820 = 128;
    private const ulong ZeroPage = 0x7000;
    private const ulong CommandLine = 0x20000;
    private const ulong InitrdAlignment = 4096;
    private const ushort OldestVersion = 0x206;
    private const byte LoadedHigh = 1;
    private const byte CanUseHeap = 0x80;
    private const ushort Kernel64 = 1;
    private const ulong Entry64 = 0x200;
    private const byte UndefinedLoader = 0xFF;

    /// <summary>Whether the bytes look like a bzImage.</summary>
    public static bool Matches(ReadOnlySpan<byte> image) =>
        image.Length > HeaderMagic + 4 && image.Slice(HeaderMagic, 4).SequenceEqual("HdrS"u8);

    /// <summary>Places kernel, initrd, command line and zero page.</summary>
    /// <exception cref="BootImageException">The image is damaged or does not fit.</exception>
    public static BootEntry Load(BootRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        ReadOnlySpan<byte> image = request.Kernel.Span;
        if (!Matches(image) || image.Length < 0x270)
        {
            throw new BootImageException(
                "The file is not a Linux bzImage: the setup header is missing; give a kernel such as /boot/vmlinuz-*.");
        }

        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(image[0x206..]);
        if (version < OldestVersion || (image[0x211] & LoadedHigh) == 0)
        {
            throw new BootImageException(
                $"The kernel speaks boot protocol {version >> 8}.{version & 0xFF:00}; 2.06 or later is needed, so use a kernel from " +
                $"Linux 2.6.22 on.");
        }

        if (request.Modules.Count != 0)
        {
            throw new BootImageException(
                "A Linux kernel takes an initrd but no modules, which are for Multiboot and PVH kernels; leave the modules out.");
        }

        int setupSectors = image[0x1F1] == 0 ? 4 : image[0x1F1];
        int setupSize = (setupSectors + 1) * 512;
        ulong protectedSize = BinaryPrimitives.ReadUInt32LittleEndian(image[0x1F4..]) * 16UL;
        if (setupSize >= image.Length || (ulong)setupSize + protectedSize > (ulong)image.Length + 15)
        {
            throw new BootImageException(
                $"The kernel image is truncated: its header announces {(ulong)setupSize + protectedSize:N0} bytes, the file has " +
                $"{image.Length:N0}; fetch it again.");
        }

        GuestWriter writer = new(request.Memory);
        ulong start = ChooseStart(image, version);
        uint initSize = version >= 0x20A ? BinaryPrimitives.ReadUInt32LittleEndian(image[0x260..]) : (uint)(image.Length - setupSize) * 3;
        initSize = Math.Max(initSize, (uint)(image.Length - setupSize));
        if (start + initSize > request.LowMemory)
        {
            throw new BootImageException(
                $"The kernel needs {(start + initSize) >> 20} MiB to unpack, the machine has {request.LowMemory >> 20} MiB; give it more " +
                $"memory.");
        }

        writer.Write(start, image[setupSize..], "kernel");
        byte[] zeroPage = BuildZeroPage(request, image, version);
        PlaceCommandLine(request, image, version, writer, zeroPage);
        PlaceInitrd(request, image, start + initSize, writer, zeroPage);
        writer.Write(ZeroPage, zeroPage, "boot parameters");
        bool is64 = version >= 0x20C && (BinaryPrimitives.ReadUInt16LittleEndian(image[0x236..]) & Kernel64) != 0;
        return is64
            ? new BootEntry(EntryMode.Long64, start + Entry64, Rsi: ZeroPage)
            : new BootEntry(EntryMode.Protected32, start, Rsi: ZeroPage);
    }

    private static ulong ChooseStart(ReadOnlySpan<byte> image, ushort version)
    {
        ulong preferred = version >= 0x20A ? BinaryPrimitives.ReadUInt64LittleEndian(image[0x258..]) : 0;
        return preferred is >= 0x100000 and < 0x40000000 && (preferred & 0xFFF) == 0 ? preferred : 0x100000;
    }

    private static byte[] BuildZeroPage(BootRequest request, ReadOnlySpan<byte> image, ushort version)
    {
        byte[] page = new byte[ZeroPageSize];
        int headerEnd = Math.Min(HeaderMagic + image[0x201], 0x290);
        image[SetupHeader..headerEnd].CopyTo(page.AsSpan(SetupHeader));
        page[0x210] = UndefinedLoader;
        page[0x211] |= LoadedHigh | CanUseHeap;
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(0x224), 0xFE00); // heap end
        if (version >= 0x20E)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(0x70), request.Rsdp);
        }

        int count = Math.Min(request.MemoryMap.Count, MaxE820);
        page[0x1E8] = (byte)count;
        for (int i = 0; i < count; i++)
        {
            MemoryMapEntry entry = request.MemoryMap[i];
            Span<byte> at = page.AsSpan(0x2D0 + (i * 20));
            BinaryPrimitives.WriteUInt64LittleEndian(at, entry.Start);
            BinaryPrimitives.WriteUInt64LittleEndian(at[8..], entry.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(at[16..], entry.Kind);
        }

        return page;
    }

    private static void PlaceCommandLine(BootRequest request, ReadOnlySpan<byte> image, ushort version, GuestWriter writer, byte[] zeroPage)
    {
        byte[] text = Encoding.UTF8.GetBytes(request.CommandLine);
        uint limit = version >= 0x206 ? BinaryPrimitives.ReadUInt32LittleEndian(image[0x238..]) : 255;
        if (text.Length > limit)
        {
            throw new BootImageException($"The kernel command line has {text.Length} bytes, the kernel takes {limit}; shorten it.");
        }

        writer.Write(CommandLine, [.. text, 0], "command line");
        BinaryPrimitives.WriteUInt32LittleEndian(zeroPage.AsSpan(0x228), (uint)CommandLine);
    }

    private static void PlaceInitrd(BootRequest request, ReadOnlySpan<byte> image, ulong kernelEnd, GuestWriter writer, byte[] zeroPage)
    {
        ReadOnlySpan<byte> initrd = request.Initrd.Span;
        if (initrd.IsEmpty)
        {
            return;
        }

        ulong limit = Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(image[0x22C..]) + 1UL, UsableEnd(request));
        ulong size = (ulong)initrd.Length;
        if (size > limit || ((limit - size) & ~(InitrdAlignment - 1)) < kernelEnd)
        {
            throw new BootImageException(
                $"The initrd ({size >> 20} MiB) does not fit beside the kernel in {request.LowMemory >> 20} MiB; give the machine at " +
                $"least {((kernelEnd + size) >> 20) + 32} MiB of memory.");
        }

        ulong start = (limit - size) & ~(InitrdAlignment - 1);
        writer.Write(start, initrd, "initrd");
        BinaryPrimitives.WriteUInt32LittleEndian(zeroPage.AsSpan(0x218), (uint)start);
        BinaryPrimitives.WriteUInt32LittleEndian(zeroPage.AsSpan(0x21C), (uint)size);
    }

    /// <summary>End of the usable range that holds the kernel: firmware tables may lie above it.</summary>
    private static ulong UsableEnd(BootRequest request)
    {
        foreach (MemoryMapEntry entry in request.MemoryMap)
        {
            if (entry.Kind == 1 && entry.Start <= 0x100000 && entry.Start + entry.Length > 0x100000)
            {
                return Math.Min(entry.Start + entry.Length, request.LowMemory);
            }
        }

        return request.LowMemory;
    }
}
