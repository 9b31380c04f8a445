using System.Numerics;
using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Kvm.Interface;

namespace Strata.X86.Kvm;

/// <summary>
/// KVM's slots: the RAM and ROM that the machine's memory map shows, whole pages only. They follow the map while vCPUs run, which leave
/// their guests for the moment in which a slot is replaced.
/// </summary>
public sealed unsafe partial class KvmMachine
{
    /// <summary>
    /// Slots end here: what changes most lies below, and the bulk of RAM is not taken away for it.
    /// </summary>
    private const ulong Split = 1 << 20;

    private readonly AddressSpace _memory;
    private readonly Lock _slotGate = new(); // nothing is taken under it
    private readonly List<Slot> _slots = []; // under _slotGate
    private readonly HashSet<GuestMemory> _collected = []; // whose CollectingDirty is listened to; under _slotGate
    private bool _logsDirtyPages; // written under _slotGate

    /// <summary>Through which vCPUs enter their guest.</summary>
    internal GuestGate Gate { get; } = new();

    /// <summary>
    /// Sets the dirty flag of every page that guests wrote since the last time. KVM's log loses nothing where vCPUs run: a page's bit is
    /// taken and its next write is caught in one.
    /// </summary>
    public void HarvestDirtyPages()
    {
        lock (_slotGate)
        {
            Harvest(startLog: false);
        }
    }

    private void MapMemory()
    {
        _memory.MapChanged += OnMapChanged;
        lock (_slotGate)
        {
            UpdateSlots();
        }
    }

    private void UnmapMemory()
    {
        _memory.MapChanged -= OnMapChanged;
        lock (_slotGate)
        {
            foreach (GuestMemory memory in _collected)
            {
                memory.CollectingDirty -= OnCollectingDirty;
            }
        }
    }

    private void OnMapChanged(AddressSpace memory, AttentionRound round)
    {
        lock (_slotGate)
        {
            UpdateSlots();
        }
    }

    private void UpdateSlots()
    {
        List<Slot> wanted = [.. SlotsOf(_memory.Current)];
        List<Slot> unwanted = [.. _slots.Where(slot => !wanted.Exists(slot.IsSame))];
        if (unwanted.Count > 0)
        {
            Gate.Close();
        }

        try
        {
            Exchange(unwanted, wanted);
        }
        finally
        {
            Gate.Open();
        }
    }

    private void Exchange(List<Slot> unwanted, List<Slot> wanted)
    {
        foreach (Slot slot in unwanted)
        {
            HarvestSlot(slot, _logsDirtyPages); // its log goes with it
            SetRegion(slot, isGone: true);
            _slots.Remove(slot);
        }

        foreach (Slot slot in wanted.Where(slot => !_slots.Exists(slot.IsSame)))
        {
            Slot added = slot with { Number = FreeNumber() };
            SetRegion(added);
            _slots.Add(added);
            if (_collected.Add(added.Memory))
            {
                added.Memory.CollectingDirty += OnCollectingDirty;
            }
        }
    }

    private uint FreeNumber()
    {
        uint number = 0;
        while (_slots.Exists(slot => slot.Number == number))
        {
            number++;
        }

        return number;
    }

    private static IEnumerable<Slot> SlotsOf(MemoryMap map)
    {
        foreach (MapRange range in map.Ranges.ToArray().Where(range => range.IsMemory))
        {
            ulong start = (range.Start + GuestMemory.PageMask) & ~GuestMemory.PageMask;
            ulong end = range.End & ~GuestMemory.PageMask;
            while (start < end)
            {
                ulong next = start < Split ? Math.Min(end, Split) : end;
                ulong page = (range.Offset + (start - range.Start)) >> GuestMemory.PageShift;
                yield return new Slot(0, start, range.Memory!, page, (next - start) >> GuestMemory.PageShift, range.Kind == RegionKind.Rom);
                start = next;
            }
        }
    }

    /// <summary>Tells KVM of a slot, of a change of its flags, or of its end.</summary>
    private void SetRegion(Slot slot, bool isGone = false)
    {
        ulong length = slot.Pages << GuestMemory.PageShift;
        KvmMemoryRegion region = new()
        {
            Slot = slot.Number,
            Flags = (slot.ReadOnly ? KvmMemoryRegion.ReadOnly : 0) | (_logsDirtyPages ? KvmMemoryRegion.LogDirtyPages : 0),
            GuestPhysicalAddress = slot.Gpa,
            Size = isGone ? 0 : length,
            UserspaceAddress = (ulong)slot.Memory.Base + (slot.FirstPage << GuestMemory.PageShift),
        };
        Demand(
            HostCalls.Control(_descriptor, KvmRequest.SetUserMemoryRegion, &region), $"map {length >> 10} KiB of memory at 0x{slot.Gpa:x}");
    }

    /// <summary>Who asks once asks again: from the first time on pages are told one by one.</summary>
    private void OnCollectingDirty(GuestMemory memory)
    {
        if (memory.BlindWriters == 0)
        {
            return; // another engine runs; what was written before was harvested when it took over
        }

        lock (_slotGate)
        {
            Harvest(startLog: true);
        }
    }

    private void Harvest(bool startLog)
    {
        bool logged = _logsDirtyPages;
        _logsDirtyPages |= startLog;
        foreach (Slot slot in _slots)
        {
            if (!logged && startLog)
            {
                SetRegion(slot); // what is written from now on is in the log
            }

            HarvestSlot(slot, logged);
        }
    }

    private void HarvestSlot(Slot slot, bool logged)
    {
        if (slot.ReadOnly)
        {
            return;
        }

        if (logged)
        {
            HarvestLog(slot);
            return;
        }

        for (ulong page = 0; page < slot.Pages; page++)
        {
            slot.Memory.MarkDirty(slot.FirstPage + page);
        }
    }

    private void HarvestLog(Slot slot)
    {
        ulong[] bitmap = new ulong[(slot.Pages + 63) / 64];
        fixed (ulong* start = bitmap)
        {
            // SAFETY: one bit a page of the slot, rounded up to 64.
            KvmDirtyLog log = new() { Slot = slot.Number, Bitmap = start };
            Demand(HostCalls.Control(_descriptor, KvmRequest.GetDirtyLog, &log), "tell which pages were written");
        }

        for (int word = 0; word < bitmap.Length; word++)
        {
            for (ulong bits = bitmap[word]; bits != 0; bits &= bits - 1)
            {
                slot.Memory.MarkDirty(slot.FirstPage + ((ulong)word * 64) + (ulong)BitOperations.TrailingZeroCount(bits));
            }
        }
    }

    private readonly record struct Slot(uint Number, ulong Gpa, GuestMemory Memory, ulong FirstPage, ulong Pages, bool ReadOnly)
    {
        /// <summary>The same but for the number.</summary>
        public bool IsSame(Slot other) => this with { Number = 0 } == other with { Number = 0 };
    }
}
