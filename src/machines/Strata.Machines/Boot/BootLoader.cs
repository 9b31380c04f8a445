namespace Strata.Machines.Boot;

/// <summary>Chooses the boot protocol by what the kernel file is.</summary>
public static class BootLoader
{
    /// <summary>A kernel file that gzip has compressed is unpacked first, as Debian has Xen and GNU Mach.</summary>
    /// <exception cref="BootImageException">It is none that can be booted, or it does not fit.</exception>
    public static BootEntry Load(BootRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (CompressedKernel.Matches(request.Kernel.Span))
        {
            request = request with { Kernel = CompressedKernel.Unpack(request.Kernel.ToArray(), request.LowMemory) };
        }

        if (LinuxBzImage.Matches(request.Kernel.Span))
        {
            return LinuxBzImage.Load(request);
        }

        if (Multiboot1.Matches(request.Kernel.Span))
        {
            return Multiboot1.Load(request);
        }

        if (Multiboot2.Matches(request.Kernel.Span))
        {
            return Multiboot2.Load(request);
        }

        if (ElfImage.Matches(request.Kernel.Span))
        {
            return ElfPvh.Load(request);
        }

        throw new BootImageException(
            "The kernel file is neither a Linux bzImage, nor a multiboot image, nor an ELF file with a PVH entry; check the path.");
    }
}
