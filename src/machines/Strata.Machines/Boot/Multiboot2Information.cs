using System.Buffers.Binary;

namespace Strata.Machines.Boot;

/// <summary>
/// What a kernel is told: tags, each padded to 8 bytes. Multiboot2 specification 2.0, "Boot information format".
/// <code>
/// information: total_size (32)   reserved (32)   tags …        tag: type (32)   size (32)   body …
/// </code>
/// </summary>
internal sealed class Multiboot2Information
{
    private const int RsdpSize = 20;
    private const int ExtendedRsdpSize = 36;
    private const ulong OneMegabyte = 0x100000;
    private const ulong MostLowMemory = 640 << 10;

    private readonly List<byte> _bytes = [.. new byte[8]];

    private enum Tag : uint
    {
        End = 0,
        CommandLine = 1,
        LoaderName = 2,
        Module = 3,
        BasicMemory = 4,
        MemoryMap = 6,
        ElfSections = 9,
        OldRsdp = 14,
        NewRsdp = 15,
        LoadBase = 21,
    }

    public static byte[] Build(BootRequest request, IReadOnlyList<ulong> modules, ElfSectionTable? sections, ulong loadBase)
    {
        Multiboot2Information information = new();
        string commandLine = request.CommandLine.Length == 0 ? request.KernelName : $"{request.KernelName} {request.CommandLine}";
        information.Add(Tag.CommandLine, BootInformation.Terminated(commandLine, "command line"));
        information.Add(Tag.LoaderName, "Strata\0"u8);
        information.AddModules(request.AllModules, modules);
        information.AddMemory(request);
        if (sections is not null)
        {
            information.Add(
                Tag.ElfSections, [.. Words((uint)sections.Count, (uint)sections.EntrySize, (uint)sections.NameIndex), .. sections.Headers]);
        }

        information.AddRsdp(request);
        information.Add(Tag.LoadBase, Words((uint)loadBase));
        information.Add(Tag.End, []);
        byte[] bytes = [.. information._bytes];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)bytes.Length);
        return bytes;
    }

    private static byte[] Words(params ReadOnlySpan<uint> values)
    {
        byte[] bytes = new byte[values.Length * 4];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * 4), values[i]);
        }

        return bytes;
    }

    private void Add(Tag tag, ReadOnlySpan<byte> body)
    {
        _bytes.AddRange(Words((uint)tag, (uint)body.Length + 8));
        _bytes.AddRange(body);
        _bytes.AddRange(new byte[-_bytes.Count & 7]);
    }

    private void AddModules(IReadOnlyList<BootModule> modules, IReadOnlyList<ulong> addresses)
    {
        for (int i = 0; i < modules.Count; i++)
        {
            uint start = (uint)addresses[i];
            byte[] text = BootInformation.Terminated(modules[i].Text, "module's string");
            Add(Tag.Module, [.. Words(start, start + (uint)modules[i].Content.Length), .. text]);
        }
    }

    private void AddMemory(BootRequest request)
    {
        ulong low = request.MemoryMap.Where(entry => entry is { Kind: 1, Start: 0 })
            .Select(entry => Math.Min(entry.Length, MostLowMemory))
            .FirstOrDefault();
        Add(Tag.BasicMemory, Words((uint)(low >> 10), (uint)((request.LowMemory - OneMegabyte) >> 10)));
        List<byte> map = [.. Words(24, 0)]; // an entry's size, and the version
        foreach (MemoryMapEntry entry in request.MemoryMap)
        {
            map.AddRange(
                Words((uint)entry.Start, (uint)(entry.Start >> 32), (uint)entry.Length, (uint)(entry.Length >> 32), entry.Kind, 0));
        }

        Add(Tag.MemoryMap, [.. map]);
    }

    /// <summary>Copies of the RSDP: what ACPI 1.0 has of it, and all.</summary>
    private void AddRsdp(BootRequest request)
    {
        if (request.Rsdp != 0 && request.Memory.TryGetSpan(request.Rsdp, ExtendedRsdpSize, out ReadOnlySpan<byte> rsdp)
            && rsdp.StartsWith("RSD PTR "u8))
        {
            Add(Tag.OldRsdp, rsdp[..RsdpSize]);
            Add(Tag.NewRsdp, rsdp);
        }
    }
}
