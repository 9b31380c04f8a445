using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.X86.Registers;

namespace Strata.X86.Paging;

/// <summary>
/// Walks the guest's page tables: 32-bit, PAE and 4-level. Intel SDM Vol. 3A, "Paging". Sets accessed and dirty bits
/// atomically in guest memory. Stateless: safe on any thread.
/// </summary>
public static unsafe partial class PageWalker
{
    /// <summary>MAXPHYADDR that CPUID reports; address bits above are reserved in table entries.</summary>
    public const int PhysicalAddressBits = 46;

    private const ulong Present = 1;
    private const ulong WriteBit = 2;
    private const ulong UserBit = 4;
    private const ulong AccessedBit = 0x20;
    private const ulong DirtyBit = 0x40;
    private const ulong GlobalBit = 1 << 8;
    private const ulong LargeBit = 0x80;
    private const ulong NoExecute = 1UL << 63;
    private const ulong AddressMask = ((1UL << PhysicalAddressBits) - 1) & ~0xFFFUL;
    private const ulong ReservedHigh = ((1UL << 52) - 1) & ~((1UL << PhysicalAddressBits) - 1);

    /// <summary>Translates a linear address with paging as <paramref name="state"/> says; paging off is the identity.</summary>
    /// <param name="state">Control registers and EFER are read, nothing is written.</param>
    /// <param name="bus">Where the tables are.</param>
    /// <param name="va">Linear address; canonical in 64-bit mode, below 4 GiB elsewhere (the caller's check).</param>
    /// <param name="kind">What the access does.</param>
    /// <param name="user">Access with CPL 3 rights.</param>
    /// <param name="smapOverride">RFLAGS.AC or an implicit access decides: false means SMAP applies to supervisor data accesses.</param>
    /// <param name="result">The translation, if true is returned.</param>
    /// <param name="error">The #PF error code, if false is returned.</param>
    public static bool TryWalk(
        in X86CpuState state, AddressSpace bus, ulong va, AccessKind kind, bool user, bool smapOverride,
        out Translation result, out PageFaultError error)
    {
        if ((state.Cr0 & Cr0.PG) == 0)
        {
            error = PageFaultError.None;
            result = new Translation(va, 12, Writable: true, Executable: true, Dirty: true, Global: true);
            return true;
        }

        Walk walk = new(in state, bus, va, kind, user, smapOverride);
        bool ok = (state.Cr4 & Cr4.PAE) == 0 ? walk.Legacy() : (state.EferMsr & Efer.LMA) != 0 ? walk.FourLevel() : walk.Pae();
        result = walk.Result;
        error = walk.Error;
        return ok;
    }

    private ref struct Walk(
        in X86CpuState state, AddressSpace bus, ulong va, AccessKind kind, bool user, bool smapOverride)
    {
        private readonly ref readonly X86CpuState _state = ref state;
        private ulong _rights = WriteBit | UserBit;
        private bool _noExecute;

        public Translation Result { get; private set; }

        public PageFaultError Error { get; private set; }

        public bool FourLevel()
        {
            ulong table = _state.Cr3 & AddressMask;
            for (int shift = 39; shift >= 12; shift -= 9)
            {
                bool mayBeLarge = shift is 30 or 21;
                ulong address = table + (((va >> shift) & 0x1FF) * 8);
                if (!Step64(address, mayBeLarge, shift, out ulong entry, out bool leaf))
                {
                    return false;
                }

                if (leaf)
                {
                    return Finish(address, entry, shift, wide: true);
                }

                table = entry & AddressMask;
            }

            return false; // not reached: shift 12 is always a leaf
        }

        public bool Pae()
        {
            ulong pdpte = _state.Pdptes[(va >> 30) & 3];
            if ((pdpte & Present) == 0)
            {
                return Fail(PageFaultError.None);
            }

            ulong table = pdpte & AddressMask;
            for (int shift = 21; shift >= 12; shift -= 9)
            {
                ulong address = table + (((va >> shift) & 0x1FF) * 8);
                if (!Step64(address, shift == 21, shift, out ulong entry, out bool leaf))
                {
                    return false;
                }

                if (leaf)
                {
                    return Finish(address, entry, shift, wide: true);
                }

                table = entry & AddressMask;
            }

            return false;
        }

        public bool Legacy()
        {
            ulong address = (_state.Cr3 & 0xFFFFF000) + (((va >> 22) & 0x3FF) * 4);
            ulong entry = Load(address, wide: false);
            if ((entry & Present) == 0)
            {
                return Fail(PageFaultError.None);
            }

            _rights &= entry;
            if ((entry & LargeBit) != 0 && (_state.Cr4 & Cr4.PSE) != 0)
            {
                // PSE-36: bits 13..20 hold address bits 32..39, bit 21 is reserved.
                if ((entry & (1 << 21)) != 0)
                {
                    return Fail(PageFaultError.Present | PageFaultError.Reserved);
                }

                ulong frame = (entry & 0xFFC00000) | ((entry >> 13 & 0xFF) << 32);
                return FinishAt(address, entry, frame | (va & 0x3FFFFF), 22, wide: false);
            }

            MarkAccessed(address, entry, wide: false);
            address = (entry & 0xFFFFF000) + (((va >> 12) & 0x3FF) * 4);
            entry = Load(address, wide: false);
            if ((entry & Present) == 0)
            {
                return Fail(PageFaultError.None);
            }

            _rights &= entry;
            return FinishAt(address, entry, (entry & 0xFFFFF000) | (va & 0xFFF), 12, wide: false);
        }

        private bool Step64(ulong address, bool mayBeLarge, int shift, out ulong entry, out bool leaf)
        {
            entry = Load(address, wide: true);
            leaf = shift == 12 || (mayBeLarge && (entry & LargeBit) != 0);
            if ((entry & Present) == 0)
            {
                return Fail(PageFaultError.None);
            }

            ulong reserved = ReservedHigh;
            if ((_state.EferMsr & Efer.LMA) == 0)
            {
                reserved |= 0x7FF0_0000_0000_0000;
            }

            if ((_state.EferMsr & Efer.NXE) == 0)
            {
                reserved |= NoExecute;
            }

            if (shift == 39)
            {
                reserved |= LargeBit;
            }
            else if (leaf && shift > 12)
            {
                reserved |= ((1UL << shift) - 1) & ~0x1FFFUL;
            }

            if ((entry & reserved) != 0)
            {
                return Fail(PageFaultError.Present | PageFaultError.Reserved);
            }

            _rights &= entry;
            _noExecute |= (entry & NoExecute) != 0;
            if (!leaf)
            {
                MarkAccessed(address, entry, wide: true);
            }

            return true;
        }

        private bool Finish(ulong address, ulong entry, int shift, bool wide)
        {
            ulong offset = (1UL << shift) - 1;
            return FinishAt(address, entry, (entry & AddressMask & ~offset) | (va & offset), shift, wide);
        }

        /// <summary>Checks rights against the whole path, then sets A and D.</summary>
        private bool FinishAt(ulong address, ulong entry, ulong gpa, int pageBits, bool wide)
        {
            bool userPage = (_rights & UserBit) != 0;
            bool readable = user ? userPage : !userPage || smapOverride || (_state.Cr4 & Cr4.SMAP) == 0;
            bool writable = readable && ((_rights & WriteBit) != 0 || (!user && (_state.Cr0 & Cr0.WP) == 0));
            bool executable = !_noExecute && (user ? userPage : !userPage || (_state.Cr4 & Cr4.SMEP) == 0);
            bool allowed = kind switch { AccessKind.Read => readable, AccessKind.Write => writable, _ => executable };
            if (!allowed)
            {
                return Fail(PageFaultError.Present);
            }

            ulong wanted = AccessedBit | (kind == AccessKind.Write ? DirtyBit : 0);
            if ((entry & wanted) != wanted)
            {
                SetBits(address, wanted, wide);
                entry |= wanted;
            }

            Result = new Translation(
                gpa, pageBits, writable, executable, (entry & DirtyBit) != 0, (entry & GlobalBit) != 0 && (_state.Cr4 & Cr4.PGE) != 0);
            return true;
        }

        private void MarkAccessed(ulong address, ulong entry, bool wide)
        {
            if ((entry & AccessedBit) == 0)
            {
                SetBits(address, AccessedBit, wide);
            }
        }

        private bool Fail(PageFaultError cause)
        {
            bool fetchBit = kind == AccessKind.Execute
                && ((_state.Cr4 & Cr4.SMEP) != 0 || ((_state.EferMsr & Efer.NXE) != 0 && (_state.Cr4 & Cr4.PAE) != 0));
            Error = cause
                | (kind == AccessKind.Write ? PageFaultError.Write : 0)
                | (user ? PageFaultError.User : 0)
                | (fetchBit ? PageFaultError.Fetch : 0);
            return false;
        }

        private readonly ulong Load(ulong address, bool wide)
        {
            if (bus.TryGetRamPage(address, out RamPage page))
            {
                // SAFETY: the page lies in the mapping and an aligned entry never crosses it.
                byte* at = page.Memory.Base + (page.Index << GuestMemory.PageShift) + (address & GuestMemory.PageMask);
                return wide ? System.Threading.Volatile.Read(ref *(ulong*)at) : System.Threading.Volatile.Read(ref *(uint*)at);
            }

            return bus.Read(address, wide ? AccessWidth.Qword : AccessWidth.Dword);
        }

        private readonly void SetBits(ulong address, ulong bits, bool wide)
        {
            if (!bus.TryGetRamPage(address, out RamPage page) || page.ReadOnly)
            {
                return; // tables in ROM or in a device keep their bits
            }

            ulong offset = (page.Index << GuestMemory.PageShift) + (address & GuestMemory.PageMask);
            page.Memory.PrepareWrite(offset, 4);

            // SAFETY: as in Load.
            byte* at = page.Memory.Base + offset;
            if (wide)
            {
                Interlocked.Or(ref *(ulong*)at, bits);
            }
            else
            {
                Interlocked.Or(ref *(uint*)at, (uint)bits);
            }

            page.Memory.NoteWrite(offset, 4);
        }
    }
}
