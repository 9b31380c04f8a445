using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Strata.Core.Bus;
using Strata.Core.Memory;

namespace Strata.X86.Translator.Emit;

/// <summary>A piece of the address space in which RAM shows, for emitted walks. Its fields' order is theirs.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RamWindow
{
    /// <summary>Guest-physical address of the first byte.</summary>
    public ulong Start;

    /// <summary>Bytes; zero where there is no such window.</summary>
    public ulong Length;

    /// <summary>Bytes from the start of the memory to the first byte.</summary>
    public ulong Offset;
}

/// <summary>
/// Where emitted walks find the guest's page tables and pages: the longest pieces of one memory that show as RAM. Holes and ROM cost them
/// nothing, as what lies in no window is left to the engine. On the vCPU's thread, outside of emitted code.
/// </summary>
internal sealed unsafe class RamWindows
{
    /// <summary>Below the hole for VGA and ROM, above it, and above 4 GiB.</summary>
    public const int Count = 3;

    private readonly RamWindow[] _windows = GC.AllocateArray<RamWindow>(Count, pinned: true);

    private RamWindows(GuestMemory memory) => Memory = memory;

    public GuestMemory Memory { get; }

    /// <summary>The windows, for code that is emitted. Valid as long as this object is.</summary>
    public RamWindow* First => // SAFETY: pinned
        (RamWindow*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_windows));

    /// <summary>Windows into the memory of the longest piece of RAM.</summary>
    /// <returns>Null if there is no RAM.</returns>
    public static RamWindows? Of(MemoryMap map)
    {
        foreach (MapRange range in map.Memory)
        {
            if (range.Kind == RegionKind.Ram)
            {
                RamWindows windows = new(range.Memory!);
                windows.Update(map);
                return windows;
            }
        }

        return null;
    }

    /// <summary>Takes another map over.</summary>
    public void Update(MemoryMap map)
    {
        int count = 0;
        Array.Clear(_windows);
        foreach (MapRange range in map.Memory)
        {
            ulong start = (range.Start + GuestMemory.PageMask) & ~GuestMemory.PageMask; // pages that are RAM in part are the engine's
            ulong end = range.End & ~GuestMemory.PageMask;
            if (range.Kind == RegionKind.Ram && range.Memory == Memory && start < end && count < Count)
            {
                _windows[count++] = new RamWindow { Start = start, Length = end - start, Offset = range.Offset + (start - range.Start) };
            }
        }
    }
}
