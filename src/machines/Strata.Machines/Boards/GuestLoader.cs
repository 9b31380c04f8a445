using Strata.Core.Bus;
using Strata.Machines.Acpi;
using Strata.Machines.Boot;

namespace Strata.Machines.Boards;

/// <summary>Puts into RAM what a guest begins with, as firmware and a boot loader do: tables, kernel, initrd. At every start anew.</summary>
internal sealed class GuestLoader(BoardWiring wiring)
{
    /// <exception cref="BootImageException">The kernel or initrd cannot be booted on a machine like this.</exception>
    public BootEntry Load()
    {
        PcBoardOptions options = wiring.Options;
        BootPayload files = options.Guest();
        WriteTables(wiring.Memory, options.Processors);
        return BootLoader.Load(new BootRequest
        {
            Memory = wiring.Memory,
            LowMemory = Math.Min(options.MemorySize, PcMemoryMap.LowMemoryLimit),
            MemoryMap = BuildMemoryMap(options.MemorySize),
            Rsdp = PcMemoryMap.AcpiStart,
            Kernel = files.Kernel,
            Initrd = files.Initrd,
            CommandLine = options.CommandLine,
        });
    }

    private static void WriteTables(AddressSpace memory, int processors)
    {
        byte[] tables = AcpiTables.Build(PcMemoryMap.AcpiStart, processors);
        if (!memory.TryWriteBytes(PcMemoryMap.AcpiStart, tables))
        {
            throw new InvalidOperationException("The ACPI tables lie outside of RAM.");
        }
    }

    private static List<MemoryMapEntry> BuildMemoryMap(ulong size)
    {
        ulong low = Math.Min(size, PcMemoryMap.LowMemoryLimit);
        List<MemoryMapEntry> map =
        [
            new(0, PcMemoryMap.VgaStart, 1),
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
