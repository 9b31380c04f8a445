using Microsoft.Win32.SafeHandles;
using Strata.Core.Posix;

namespace Strata.Core.Memory;

/// <summary>The forms of a memory beside the anonymous one: for other processes, restored machines and clones.</summary>
public sealed unsafe partial class GuestMemory
{
    private readonly Lock _zeroGate = new();
    private PageBitmap? _zeroed; // pages of a private mapping that lead to no file any longer; under _zeroGate

    /// <summary>What the memory is a mapping of. <see cref="KeepWrites"/> changes it.</summary>
    public MemoryForm Form { get; private set; }

    /// <summary>
    /// The memory file of a memory that was made by <see cref="CreateShared"/>; closed with the memory, mappings of it stay.
    /// </summary>
    public SafeFileHandle? File { get; private init; }

    /// <summary>Makes memory of zeros that another process can map, given <see cref="File"/>.</summary>
    /// <param name="size">As for the constructor.</param>
    /// <exception cref="InsufficientMemoryException">The host cannot map that much.</exception>
    public static GuestMemory CreateShared(ulong size)
    {
        GuestMemory memory = new(size, MemoryForm.Shared) { File = HostMapping.CreateMemoryFile("strata-ram", size) };
        try
        {
            // SAFETY: of Size bytes; released in Dispose, as every mapping here.
            memory._base = (byte*)HostMapping.MapFile((int)memory.File.DangerousGetHandle(), 0, size, isShared: true);
        }
        catch
        {
            memory.Dispose();
            throw;
        }

        return memory;
    }

    /// <summary>Makes memory with a file's bytes, which are read when they are touched. The file is never written.</summary>
    /// <param name="file">Open for reading; may be closed afterwards. It must keep its length while the memory lives: touching what has
    /// been cut off ends the process.</param>
    /// <param name="offset">Bytes; a multiple of 4 KiB.</param>
    /// <param name="size">As for the constructor.</param>
    /// <exception cref="InvalidDataException">The file is too short.</exception>
    /// <exception cref="InsufficientMemoryException">The host cannot map it.</exception>
    public static GuestMemory MapPrivately(SafeFileHandle file, ulong offset, ulong size)
    {
        ArgumentNullException.ThrowIfNull(file);
        GuestMemory memory = new(size, MemoryForm.Private);
        ulong length = (ulong)RandomAccess.GetLength(file);
        if ((offset & PageMask) != 0 || offset > length || size > length - offset)
        {
            throw new InvalidDataException(
                $"The file has {length:N0} bytes: {size:N0} bytes of guest memory at offset {offset:N0} do not lie in it. It is damaged " +
                $"or incomplete.");
        }

        // SAFETY: the range lies in the file, which keeps its length (the caller's promise).
        memory._base = (byte*)HostMapping.MapFile((int)file.DangerousGetHandle(), offset, size, isShared: false);
        GC.KeepAlive(file);
        return memory;
    }

    /// <summary>
    /// From now on writes to a shared memory stay here: <see cref="File"/> keeps the bytes of this moment, for clones that map it
    /// privately. Host addresses stay. Once all vCPUs stand and no device writes.
    /// </summary>
    /// <exception cref="InvalidOperationException">The memory is not <see cref="MemoryForm.Shared"/>, or somebody writes.</exception>
    public void KeepWrites()
    {
        if (Form != MemoryForm.Shared)
        {
            throw new InvalidOperationException($"Only shared memory can keep its writes to itself; this is {Form}.");
        }

        DemandQuiet();
        HostMapping.MapFile((int)File!.DangerousGetHandle(), 0, Size, isShared: false, place: (nint)_base);
        Form = MemoryForm.Private;
    }

    /// <summary>
    /// Finds pages that were touched: every other page still is what the memory began with, zeros or, in the private form, the file's
    /// bytes. Costs about 2 ms a GiB. While the guest runs, a page that is touched meanwhile may be missing: its dirty flag has it.
    /// </summary>
    /// <param name="into">Of this memory's number of pages; the pages found are added. All are, where the host does not tell.</param>
    public void FindTouched(PageBitmap into)
    {
        ArgumentNullException.ThrowIfNull(into);
        ArgumentOutOfRangeException.ThrowIfNotEqual(into.Count, Pages, nameof(into));
        if (Form == MemoryForm.Shared)
        {
            FindData(into);
            return;
        }

        if (!PageMap.TryFindOwn((ulong)_base >> PageShift, Form == MemoryForm.Private, into))
        {
            for (ulong page = 0; page < Pages; page++)
            {
                into.Add(page);
            }
        }

        lock (_zeroGate)
        {
            if (_zeroed is not null)
            {
                into.UnionWith(_zeroed);
            }
        }
    }

    private void FindData(PageBitmap into)
    {
        for (ulong offset = 0; offset < Size && HostMapping.TryFindData(
            (int)File!.DangerousGetHandle(), ref offset, out ulong end); offset = end)
        {
            for (ulong page = offset >> PageShift; page << PageShift < Math.Min(end, Size); page++)
            {
                into.Add(page);
            }
        }
    }

    private bool DiscardHost(ulong offset, ulong length)
    {
        nint place = (nint)_base + (nint)offset;
        switch (Form)
        {
            case MemoryForm.Anonymous:
                return HostMapping.Discard(place, length);
            case MemoryForm.Shared:
                return HostMapping.DiscardShared(place, length);
            default:
                lock (_zeroGate)
                {
                    if (!HostMapping.ReplaceByZeros(place, length))
                    {
                        return false;
                    }

                    _zeroed ??= new PageBitmap(Pages);
                    for (ulong page = offset >> PageShift; page < (offset + length) >> PageShift; page++)
                    {
                        _zeroed.Add(page);
                    }

                    return true;
                }
        }
    }
}
