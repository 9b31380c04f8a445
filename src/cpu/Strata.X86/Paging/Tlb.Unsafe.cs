using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Strata.X86.Paging;

/// <summary>Which rights a TLB set was filled with.</summary>
public enum TlbPrivilege
{
    /// <summary>CPL 0..2, SMAP in force.</summary>
    Supervisor = 0,

    /// <summary>CPL 3.</summary>
    User = 1,

    /// <summary>CPL 0..2 with RFLAGS.AC set: user pages may be touched.</summary>
    SupervisorUserAccess = 2,

    /// <summary>Never filled: every access takes the slow path, where alignment checks and data breakpoints are looked for.</summary>
    Checked = 3,
}

/// <summary>
/// The software TLB of one vCPU: direct-mapped sets, one for each privilege in each address-space slot. A slot stands for a
/// PCID, so that a switch of address space keeps the others warm. Only the vCPU's own thread touches it.
/// </summary>
public sealed unsafe class Tlb : IDisposable
{
    public const int EntryBits = 13;
    public const int Entries = 1 << EntryBits;

    /// <summary>Applied to <c>va >> 7</c>: the byte offset of an entry in its set.</summary>
    public const ulong OffsetMask = (Entries - 1) << 5;

    /// <summary>
    /// No page's address. Translated code subtracts a tag and looks whether less than a page is left, so that addresses just above
    /// zero, and the last one, would match: where they are looked up, in the first and the last entry, <see cref="EdgeNoTag"/> stands.
    /// </summary>
    private const ulong NoTag = ulong.MaxValue;

    /// <summary>Matches addresses of entries in the middle of a set only.</summary>
    private const ulong EdgeNoTag = 0x80_0800;

    private const int Privileges = 4;
    private const int Slots = 8;
    private const int Sets = Slots * Privileges;
    private const ulong Size = (ulong)Sets * Entries << 5;
    private const int WriterBits = PageWriter.IndexBits;
    private const int GroupBits = TlbLayout.GroupBits;
    private const int GroupWords = Entries >> GroupBits >> 6;

    private readonly TlbEntry* _entries;
    private readonly ulong[] _filled = GC.AllocateArray<ulong>(Sets * GroupWords, pinned: true);
    private readonly PageWriter[] _writers = GC.AllocateArray<PageWriter>(1 << WriterBits, pinned: true);
    private readonly bool[] _used = GC.AllocateArray<bool>(Sets, pinned: true);
    private readonly int[] _pcid = new int[Slots];
    private readonly RegionFilter _largePages = new();
    private readonly RegionFilter _gigabytePages = new();
    private readonly ulong[] _epochs = new ulong[Slots];
    private readonly bool[] _mayHaveChanged = new bool[Slots];
    private readonly UserCodePages[] _userCode = [.. Enumerable.Range(0, Slots).Select(_ => new UserCodePages())];
    private readonly RegionFilter _codePages = new();
    private readonly RegionFilter _codeRegions = new(); // of 4 MiB, as those of large pages
    private readonly List<nint> _displacedWriters = []; // pages whose notes went while other threads waited for this vCPU
    private ulong _lastEpoch;
    private bool _localSupervisorCode;
    private int _current;
    private int _victim;

    public Tlb()
    {
        // SAFETY: both freed in Dispose. Not in huge pages: entries of one address in all sets would meet in the host's caches.
        _entries = (TlbEntry*)NativeMemory.AlignedAlloc((nuint)Size, 4096);
        Array.Fill(_pcid, -1);
        _pcid[0] = 0;
        Victims = (VictimEntry*)NativeMemory.AlignedAlloc((nuint)(VictimEntry.Count * sizeof(VictimEntry)), 64);
        Make(slot: 0);
        FlushAll();
    }

    /// <summary>Counts flushes of whole sets and fills; read by tools on any thread, approximate.</summary>
    public long Fills { get; private set; }

    public long Flushes { get; private set; }

    /// <summary>
    /// Called before entries are dropped: the last moment at which rights to write can be found that the vCPU has used. Whoever asks for
    /// such a right to be given up has to know whether it may have been used.
    /// </summary>
    public Action? BeforeFlush { get; set; }

    /// <summary>Who keeps translations of user code elsewhere as well; null for nobody.</summary>
    public ITlbFollower? Follower { get; set; }

    /// <summary>The slot of the current address space.</summary>
    public int CurrentSlot => _current;

    /// <summary>
    /// What was displaced last: a second way for some entries, <see cref="VictimEntry.Count"/> of them. Two pages that share an entry and
    /// are used in turn, as a stack and a program's data can be for as long as it runs, would miss each time otherwise.
    /// </summary>
    public VictimEntry* Victims { get; }

    /// <summary>Where its parts lie, for code that is emitted. Valid as long as the TLB is.</summary>
    public TlbLayout Layout => new()
    {
        Entries = _entries,
        Victims = Victims,
        Writers = AddressOf(_writers),
        Filled = AddressOf(_filled),
        Used = AddressOf(_used),
        LargePages = _largePages.Bits,
        GigabytePages = _gigabytePages.Bits,
    };

    /// <summary>
    /// A number that changes whenever a translation of user code in the current address space has become invalid, or may have, as far as
    /// one can say. Numbers are never used twice, here or in <see cref="SupervisorCodeEpoch"/>. Reading it may read the guest's page
    /// tables.
    /// </summary>
    public ulong UserCodeEpoch
    {
        get
        {
            if (_mayHaveChanged[_current])
            {
                Settle();
            }

            return _epochs[_current];
        }
    }

    /// <summary>Whether user code is still where it was, in the current address space. Null for nobody who knows.</summary>
    public Func<UserCodePages, bool>? UserCodeStands { get; set; }

    /// <summary>The same for supervisor code, which kernels map globally: a switch of address space alone does not change it.</summary>
    public ulong SupervisorCodeEpoch { get; private set; }

    /// <summary>Supervisor code runs in a page that is not global: from now on a switch of address space counts.</summary>
    public void NoteLocalSupervisorCode() => _localSupervisorCode = true;

    /// <summary>Notes that somebody relies on the translation of a page of user code until the epoch changes.</summary>
    /// <param name="hostPage">Where the page is.</param>
    public void NoteUserCodePage(ulong va, byte* hostPage)
    {
        NoteCodePage(va);
        _userCode[_current].Note(va, hostPage);
    }

    /// <summary>The same for supervisor code, or where nobody knows.</summary>
    public void NoteCodePage(ulong va)
    {
        _codePages.Add(va >> 12);
        _codeRegions.Add(va >> 22);
    }

    /// <summary>The set to use for accesses of <paramref name="privilege"/> in the current address space.</summary>
    public TlbEntry* Set(TlbPrivilege privilege)
    {
        int slot = privilege == TlbPrivilege.Checked ? 0 : _current; // one set that is never filled serves all
        return _entries + (((slot * Privileges) + (int)privilege) * Entries);
    }

    /// <summary>Makes PCID <paramref name="pcid"/> current; <paramref name="flush"/> drops what is cached for it.</summary>
    public void SwitchTo(int pcid, bool flush)
    {
        int slot = Array.IndexOf(_pcid, pcid);
        if (slot < 0 || flush)
        {
            BeforeFlush?.Invoke();
        }

        if (slot < 0)
        {
            _victim = (_victim + 1) % Slots;
            slot = _victim;
            if (_pcid[slot] < 0)
            {
                Make(slot);
            }

            _pcid[slot] = pcid;
            flush = true;
        }

        _current = slot;
        if (_localSupervisorCode)
        {
            SupervisorCodeEpoch = ++_lastEpoch;
        }

        if (flush)
        {
            FlushSlot(slot);
        }
    }

    /// <summary>Drops everything, global pages included.</summary>
    public void FlushAll()
    {
        BeforeFlush?.Invoke();
        for (int slot = 0; slot < Slots; slot++)
        {
            FlushSlot(slot);
        }

        RenewCodeEpochs();
        _localSupervisorCode = false;
        _largePages.Clear();
        _gigabytePages.Clear();
    }

    /// <summary>Drops everything that is cached for one PCID.</summary>
    public void FlushPcid(int pcid)
    {
        int slot = Array.IndexOf(_pcid, pcid);
        if (slot >= 0)
        {
            BeforeFlush?.Invoke();
            FlushSlot(slot);
        }
    }

    /// <summary>Drops one page in every address space (a superset of INVLPG's duty, which covers global pages).</summary>
    public void FlushPage(ulong va)
    {
        BeforeFlush?.Invoke();
        if (_codePages.MayHold(va >> 12))
        {
            RenewCodeEpochs();
        }

        if (_gigabytePages.MayHold(va >> 30))
        {
            FlushAll();
            return;
        }

        if (_largePages.MayHold(va >> 22))
        {
            if (_codeRegions.MayHold(va >> 22))
            {
                RenewCodeEpochs(); // a large page may go, and with it code elsewhere in it
            }

            ulong start = va & ~0x3F_FFFFUL; // 4 MiB covers both large-page sizes
            Follower?.Drop(start, 0x40_0000);
            for (ulong page = start; page < start + 0x40_0000; page += 0x1000)
            {
                FlushSmallPage(page);
            }
        }
        else
        {
            Follower?.Drop(va & ~0xFFFUL, 0x1000);
            FlushSmallPage(va);
        }
    }

    /// <summary>
    /// The word that other threads set before they ask this vCPU to give up rights; null where nobody does.
    /// </summary>
    public int* Attention { get; set; }

    /// <summary>Removes write permission from every entry that leads to the given host page, in all sets.</summary>
    /// <returns>
    /// True if there may have been such an entry since the last call for the page: what was displaced since then may have been written
    /// through.
    /// </returns>
    public bool RevokeWrite(byte* hostPage)
    {
        bool followed = Follower?.RevokeWrite(hostPage) ?? false;
        return RevokeOwnWrite(hostPage) || followed;
    }

    private bool RevokeOwnWrite(byte* hostPage)
    {
        ref PageWriter writer = ref WriterOf(hostPage);
        if (writer.Page != hostPage)
        {
            return _displacedWriters.Contains((nint)hostPage);
        }

        if (writer.IsMany)
        {
            RevokeVictims(hostPage);
            foreach (int group in new FilledGroups(_filled))
            {
                for (int i = 0; i < 1 << GroupBits; i++)
                {
                    Revoke(_entries + (group << GroupBits) + i, hostPage);
                }
            }
        }
        else
        {
            RevokeOne(writer.First, hostPage);
            RevokeOne(writer.Second, hostPage);
        }

        writer = default;
        return true;
    }

    /// <summary>All that other threads had asked for when the attention word was cleared has been served.</summary>
    public void ForgetDisplacedWriters() => _displacedWriters.Clear();

    /// <summary>
    /// Notes that an entry is given write permission to a host page, so that <see cref="RevokeWrite"/> finds it without a scan.
    /// </summary>
    public void NoteWriter(TlbEntry* entry, byte* hostPage)
    {
        ref PageWriter writer = ref WriterOf(hostPage);
        if (writer.Page != hostPage)
        {
            // Another page's note: entries of it that still write must not be lost, and neither must what they have written.
            if (writer.Page != null)
            {
                KeepForRequests(writer.Page);
            }

            if (writer.IsMany || Writes(writer.First, writer.Page) || Writes(writer.Second, writer.Page))
            {
                RevokeOwnWrite(writer.Page);
            }

            writer = new PageWriter { Page = hostPage, First = entry };
        }
        else if (writer.First != entry && writer.Second != entry)
        {
            if (!Writes(writer.First, hostPage))
            {
                writer.First = entry;
            }
            else if (!Writes(writer.Second, hostPage))
            {
                writer.Second = entry;
            }
            else
            {
                writer.IsMany = true;
            }
        }
    }

    /// <summary>Removes write permission everywhere: the next write to each page is noticed again.</summary>
    public void RevokeAllWrites()
    {
        Follower?.RevokeAllWrites();
        ForgetVictims();
        foreach (int group in new FilledGroups(_filled))
        {
            for (int i = 0; i < 1 << GroupBits; i++)
            {
                TlbEntry* entry = _entries + (group << GroupBits) + i;
                entry->Write = NoTagOf(entry);
            }
        }
    }

    /// <summary>Notes that an entry is about to be filled from a page of <paramref name="pageBits"/> bits (12, 21, 22 or 30).</summary>
    /// <returns>The entry of <paramref name="va"/> in the set; reset to no rights if it held another page.</returns>
    public TlbEntry* Prepare(TlbPrivilege privilege, ulong va, int pageBits)
    {
        Fills++;
        _used[(_current * Privileges) + (int)privilege] = true;
        if (pageBits == 30)
        {
            _gigabytePages.Add(va >> 30);
        }
        else if (pageBits > 12)
        {
            _largePages.Add(va >> 22);
        }

        TlbEntry* set = Set(privilege);
        TlbEntry* entry = (TlbEntry*)((byte*)set + ((va >> 7) & OffsetMask));
        int group = (int)((entry - _entries) >> GroupBits);
        _filled[group >> 6] |= 1UL << group;
        Displace(set, entry, va & ~0xFFFUL);
        return entry;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_entries);
        NativeMemory.AlignedFree(Victims);
    }

    /// <summary>Whether an entry may write to a page, now or when it returns from the victims.</summary>
    private bool Writes(TlbEntry* entry, byte* hostPage) =>
        entry != null && (Leads(entry, hostPage) || Leads(&VictimOf(entry)->Entry, hostPage));

    private static bool Leads(TlbEntry* entry, byte* hostPage) => (byte*)(entry->Write + (ulong)entry->Addend) == hostPage;

    /// <summary>
    /// A page's note is about to go. Whoever marks the page later than this sees what was written to it; whoever has marked it
    /// already has set the attention word, and asks for the note.
    /// </summary>
    private void KeepForRequests(byte* hostPage)
    {
        Interlocked.MemoryBarrier(); // what was written has landed
        if (Attention != null && Volatile.Read(ref *Attention) != 0)
        {
            _displacedWriters.Add((nint)hostPage);
        }
    }

    /// <summary>An entry that has been noted as a writer, and what was displaced from it.</summary>
    private void RevokeOne(TlbEntry* entry, byte* hostPage)
    {
        if (entry == null)
        {
            return;
        }

        VictimEntry* victim = VictimOf(entry);
        if (Leads(&victim->Entry, hostPage))
        {
            victim->Forget();
        }

        Revoke(entry, hostPage);
    }

    private void RevokeVictims(byte* hostPage)
    {
        for (int i = 0; i < VictimEntry.Count; i++)
        {
            if (Leads(&Victims[i].Entry, hostPage))
            {
                Victims[i].Forget();
            }
        }
    }

    private void Revoke(TlbEntry* entry, byte* hostPage)
    {
        if (Leads(entry, hostPage))
        {
            entry->Write = NoTagOf(entry);
        }
    }

    /// <summary>An entry's place in its set.</summary>
    private int IndexOf(TlbEntry* entry) => (int)((entry - _entries) & (Entries - 1));

    private ulong NoTagOf(TlbEntry* entry) => IndexOf(entry) is 0 or (Entries - 1) ? EdgeNoTag : NoTag;

    /// <summary>Where an entry's pages go when they are displaced, and return from.</summary>
    private VictimEntry* VictimOf(TlbEntry* entry) => Victims + (IndexOf(entry) & (VictimEntry.Count - 1));

    private ref PageWriter WriterOf(byte* hostPage) => ref _writers[PageWriter.IndexOf(hostPage)];

    private static T* AddressOf<T>(T[] pinned)
        where T : unmanaged => (T*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(pinned));

    /// <summary>Keeps what an entry holds, if it is another page; what is kept of the page itself is out of date.</summary>
    private void Displace(TlbEntry* set, TlbEntry* entry, ulong page)
    {
        VictimEntry* victim = Victims + VictimEntry.IndexOf(page);
        ulong held = VictimEntry.PageOf(entry);
        if (held != page && (held & 0xFFF) == 0)
        {
            *victim = new VictimEntry { Page = held, Set = set, Entry = *entry };
        }
        else if (victim->Page == page && victim->Set == set)
        {
            victim->Forget();
        }
    }

    private void ForgetVictims()
    {
        for (int i = 0; i < VictimEntry.Count; i++)
        {
            Victims[i].Forget();
        }
    }

    private void FlushSmallPage(ulong va)
    {
        ulong tag = va & ~0xFFFUL;
        VictimEntry* victim = Victims + VictimEntry.IndexOf(tag);
        if (victim->Page == tag)
        {
            victim->Forget();
        }

        for (int set = 0; set < _used.Length; set++)
        {
            if (!_used[set])
            {
                continue;
            }

            TlbEntry* entry = (TlbEntry*)((byte*)(_entries + (set * Entries)) + ((va >> 7) & OffsetMask));
            if (entry->Read == tag || entry->Write == tag || entry->Execute == tag)
            {
                Deny(entry);
            }
        }
    }

    /// <summary>Makes every code epoch a new one.</summary>
    public void RenewCodeEpochs()
    {
        SupervisorCodeEpoch = ++_lastEpoch;
        for (int slot = 0; slot < Slots; slot++)
        {
            RenewUserEpoch(slot);
        }

        _codePages.Clear();
        _codeRegions.Clear();
    }

    /// <summary>Prepares the memory of a slot that has not been used before: most machines use few.</summary>
    private void Make(int slot)
    {
        int end = ((slot + 1) * Privileges) - (slot == 0 ? 0 : 1); // without the set that is never filled
        for (int set = slot * Privileges; set < end; set++)
        {
            _filled.AsSpan(set * GroupWords, GroupWords).Fill(ulong.MaxValue);
            Empty(set);
        }
    }

    private void RenewUserEpoch(int slot)
    {
        _epochs[slot] = ++_lastEpoch;
        _userCode[slot].Clear();
        _mayHaveChanged[slot] = false;
    }

    /// <summary>After a flush of the current address space: a new epoch, unless all code in it is where it was.</summary>
    private void Settle()
    {
        if (UserCodeStands?.Invoke(_userCode[_current]) != true)
        {
            RenewUserEpoch(_current);
        }

        _mayHaveChanged[_current] = false;
    }

    private void FlushSlot(int slot)
    {
        if (_userCode[slot].IsKnown)
        {
            _mayHaveChanged[slot] = true; // when its tables are the current ones, one will see
        }
        else
        {
            RenewUserEpoch(slot);
        }

        Follower?.DropAll(slot);
        ForgetVictims();
        for (int set = slot * Privileges; set < (slot + 1) * Privileges; set++)
        {
            if (_used[set])
            {
                Flushes++;
                _used[set] = false;
                Empty(set);
            }
        }
    }

    /// <summary>Empties the entries of a set that have been filled: few, as a rule, where processes come and go.</summary>
    private void Empty(int set)
    {
        Span<ulong> filled = _filled.AsSpan(set * GroupWords, GroupWords);
        foreach (int group in new FilledGroups(filled))
        {
            // SAFETY: the group lies in the set. All ones is "no tag" in each field.
            NativeMemory.Fill(_entries + (set * Entries) + (group << GroupBits), (nuint)(sizeof(TlbEntry) << GroupBits), 0xFF);
        }

        filled.Clear();
        Deny(_entries + (set * Entries));
        Deny(_entries + (set * Entries) + Entries - 1);
    }

    /// <summary>The numbers of the bits that are set.</summary>
    private ref struct FilledGroups(ReadOnlySpan<ulong> words)
    {
        private readonly ReadOnlySpan<ulong> _words = words;
        private int _next;
        private ulong _left;

        public int Current { get; private set; }

        public readonly FilledGroups GetEnumerator() => this;

        public bool MoveNext()
        {
            while (_left == 0)
            {
                if (_next == _words.Length)
                {
                    return false;
                }

                _left = _words[_next++];
            }

            Current = ((_next - 1) << 6) + BitOperations.TrailingZeroCount(_left);
            _left &= _left - 1;
            return true;
        }
    }

    /// <summary>Takes all rights from an entry.</summary>
    public void Deny(TlbEntry* entry) => entry->Read = entry->Write = entry->Execute = NoTagOf(entry);
}
