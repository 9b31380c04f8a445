using Strata.Core.Bus;
using Strata.Machines.Acpi;
using Strata.Machines.Boot;
using Strata.Machines.Firmware;

namespace Strata.Machines.Boards;

/// <summary>
/// Puts into RAM what a guest begins with, as firmware and a boot loader do: tables, kernel, initrd. At every start anew.
/// </summary>
internal sealed class GuestLoader(BoardWiring wiring)
{
    /// <summary>Whether there is something to start a guest from.</summary>
    public bool HasImages => wiring.Options.ReadImages is not null || wiring.Options.Kernel is not null;

    /// <summary>Loads the guest, at the first start and after each reset.</summary>
    /// <exception cref="BootImageException">The kernel or initrd cannot be read, or not be booted on a machine like this.</exception>
    public BootEntry Load()
    {
        using BootImages images = ReadImages(wiring.Options);
        return Load(images);
    }

    private static BootImages ReadImages(PcBoardOptions options) => options.ReadImages?.Invoke() ?? new BootImages([])
    {
        Kernel = options.Kernel
            ?? throw new BootImageException("The machine was started from its memory, and there is no kernel to start it again with."),
        Initrd = options.Initrd,
        Modules = options.Modules,
    };

    private BootEntry Load(BootImages images)
    {
        PcBoardOptions options = wiring.Options;
        WriteTables();
        BootEntry entry = BootLoader.Load(new BootRequest
        {
            Memory = wiring.Memory,
            LowMemory = Math.Min(options.MemorySize, PcMemoryMap.LowMemoryLimit),
            MemoryMap = BuildMemoryMap(options.MemorySize),
            Rsdp = PcMemoryMap.AcpiStart,
            Kernel = images.Kernel,
            KernelName = options.KernelName,
            Initrd = images.Initrd,
            InitrdName = options.InitrdName,
            Modules = images.Modules,
            CommandLine = options.CommandLine,
        });
        if (entry.ExpectsBios)
        {
            BiosArea.InitializeChips(wiring.Ports);
        }

        return entry;
    }

    private void WriteTables()
    {
        (AddressSpace memory, PcBoardOptions options) = (wiring.Memory, wiring.Options);
        byte[] tables = AcpiTables.Build(
            PcMemoryMap.AcpiStart, options.Processors, AcpiDescription.WithoutFirmware with { HasHpet = options.HasHpet });
        if (!memory.TryWriteBytes(PcMemoryMap.AcpiStart, tables))
        {
            throw new InvalidOperationException("The ACPI tables lie outside of RAM.");
        }

        BiosArea.Write(memory, options.Processors);
        if (options.Smbios is { } smbios)
        {
            WriteSmbios(memory, smbios, options);
        }
    }

    /// <exception cref="BootImageException">The strings are too long.</exception>
    private static void WriteSmbios(AddressSpace memory, SmbiosOptions smbios, PcBoardOptions options)
    {
        const ulong room = PcMemoryMap.BiosProgramStart - PcMemoryMap.SmbiosStart;
        const uint entrySize = 32;
        (byte[] entry, byte[] structures) =
            SmbiosTables.Build(smbios, (uint)PcMemoryMap.SmbiosStart + entrySize, options.Processors, options.MemorySize);
        if (entrySize + (ulong)structures.Length > room)
        {
            throw new BootImageException(
                $"The SMBIOS tables have {structures.Length:N0} bytes, and there is room for {room - entrySize:N0}; shorten their " +
                $"strings.");
        }

        memory.TryWriteBytes(PcMemoryMap.SmbiosStart, entry);
        memory.TryWriteBytes(PcMemoryMap.SmbiosStart + entrySize, structures);
    }

    private static List<MemoryMapEntry> BuildMemoryMap(ulong size)
    {
        ulong low = Math.Min(size, PcMemoryMap.LowMemoryLimit);
        List<MemoryMapEntry> map =
        [
            new(0, PcMemoryMap.ExtendedBiosStart, 1),
            new(PcMemoryMap.ExtendedBiosStart, PcMemoryMap.VgaStart - PcMemoryMap.ExtendedBiosStart, 2),
            new(PcMemoryMap.AcpiStart, PcMemoryMap.OneMegabyte - PcMemoryMap.AcpiStart, 2),
            new(PcMemoryMap.OneMegabyte, low - PcMemoryMap.OneMegabyte, 1),
        ];
        if (size > low)
        {
            map.Add(new MemoryMapEntry(PcMemoryMap.HighMemoryStart, size - low, 1));
        }

        return map;
    }
}
