using Strata.Core.Bus;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator;

/// <summary>
/// Plain accesses to devices, MOV and its kin, IN and OUT, between two stretches of translated code: nothing of the state moves but what
/// the instruction changes. The first time, and whenever anything is unusual, the interpreter executes them.
/// </summary>
public sealed unsafe partial class Translator
{
    private const ulong PageOffset = 0xFFF;
    private const int LongestInstruction = 15;

    private readonly DeviceAccess[] _devices = new DeviceAccess[DeviceAccess.Count];

    private ref DeviceAccess DeviceOf(uint site) => ref _devices[site & (DeviceAccess.Count - 1)];

    /// <summary>An access that is known to lead to a device, of an instruction that is known.</summary>
    /// <param name="at">The linear address.</param>
    /// <param name="target">Where to enter again, or null for the main loop.</param>
    private bool TryServeDevice(Site* site, ulong at, out byte* target)
    {
        target = null;
        ref DeviceAccess access = ref DeviceOf(_bridge->Site);
        if (!access.IsOf(site, _cache.Resets) || !access.IsMemory || (at & PageOffset) + access.Size > PageOffset + 1
            || !Cpu.TryFindPhysical(at, access.IsWrite ? AccessKind.Write : AccessKind.Read, out ulong gpa))
        {
            return false;
        }

        bool isOwn = Cpu.IsOwnDevice(gpa);
        if (!isOwn && !access.Covers(Cpu.Memory.Current, gpa))
        {
            return false;
        }

        ulong rip = RipOf(site);
        ulong next = (rip + access.Length) & MaskOf(site);
        _context->State.Rip = rip;
        _bridge->Left--;
        Counters.DeviceAccesses++;
        AccessWidth width = (AccessWidth)access.Size;
        if (access.IsWrite)
        {
            ulong value = (access.Immediate ?? ReadRegister(access.Register)) & width.Mask();
            if (isOwn)
            {
                Cpu.WriteDevice(gpa, width, value);
            }
            else
            {
                access.Device.WriteMmio(access.OffsetOf(gpa), width, value);
            }
        }
        else
        {
            ulong value = isOwn ? Cpu.ReadDevice(gpa, width) : access.Device.ReadMmio(access.OffsetOf(gpa), width);
            WriteRegister(access.Register, access.RegisterSize, Extend(value, in access));
        }

        if (access.Form >= DeviceForm.LoadString)
        {
            AdvanceString(access.IsWrite ? Gpr.Rdi : Gpr.Rsi, access.Size, access.AddressMask);
        }

        target = GoOn(site, next);
        return true;
    }

    /// <summary>IN or OUT that has been met before.</summary>
    /// <param name="target">Where to enter again, or null for the main loop.</param>
    private bool TryServePort(Site* site, out byte* target)
    {
        target = null;
        ref DeviceAccess access = ref DeviceOf(_bridge->Site);
        if (!access.IsOf(site, _cache.Resets) || !access.IsPort)
        {
            return false;
        }

        ulong rip = RipOf(site);
        ulong next = (rip + access.Length) & MaskOf(site);
        _context->State.Rip = _context->InstructionRip = rip;
        _bridge->Left--;
        Counters.DeviceAccesses++;
        ushort port = (ushort)(access.Immediate ?? _context->State.Gprs[Gpr.Rdx]);
        if (!Cpu.CheckPortAccess(port, access.Size))
        {
            TakeFlags();
            Cpu.DeliverPendingException();
            return true;
        }

        AccessWidth width = (AccessWidth)access.Size;
        if (access.IsWrite)
        {
            Cpu.Ports.Write(port, width, (uint)ReadRegister(access.Register));
        }
        else
        {
            WriteRegister(access.Register, access.Size, Cpu.Ports.Read(port, width));
        }

        target = GoOn(site, next);
        return true;
    }

    /// <summary>Takes note of an instruction that is the interpreter's this time.</summary>
    /// <param name="number">The site's.</param>
    /// <param name="isMemory">It has led to a device by memory, at <paramref name="at"/>.</param>
    private void NoteDevice(uint number, Site* site, bool isMemory, ulong at)
    {
        ref DeviceAccess access = ref DeviceOf(number);
        if (!access.IsOf(site, _cache.Resets))
        {
            ulong linear = _blocks.ToLinear(RipOf(site));
            int left = (int)Math.Min(LongestInstruction, PageOffset + 1 - (linear & PageOffset));
            if (!Cpu.TryGetFetchPage(linear, out byte* page))
            {
                return;
            }

            int bits = _blocks.Mode switch { CodeMode.Code64 => 64, CodeMode.Code16 => 16, _ => 32 };

            // SAFETY: the page is the guest's RAM, and the bytes do not go beyond it.
            access.Decode(site, _cache.Resets, new ReadOnlySpan<byte>(page + (linear & PageOffset), left), bits);
        }

        if (_blocks.Mode == CodeMode.Code16 && RipOf(site) + access.Length > ushort.MaxValue)
        {
            access = default; // what is behind the end of a segment is the interpreter's affair
            return;
        }

        bool isWhole = access.IsMemory && (at & PageOffset) + access.Size <= PageOffset + 1;
        if (isMemory && isWhole && access.Size == site->FirstSize && access.IsWrite == site->IsWrite
            && Cpu.TryFindPhysical(at, access.IsWrite ? AccessKind.Write : AccessKind.Read, out ulong gpa))
        {
            access.NoteDevice(Cpu.Memory.Current, gpa);
        }
    }

    /// <summary>Bits of RIP and of linear addresses in a site's mode, which its block has been entered in.</summary>
    private static ulong MaskOf(Site* site) => site->Block->Mode == CodeMode.Code64 ? ulong.MaxValue : uint.MaxValue;

    /// <summary>
    /// Behind an instruction that has changed nothing but registers of the guest: on, unless something else is due. Mode and code segment
    /// are those of the block still, so that nothing of them is looked up.
    /// </summary>
    private byte* GoOn(Site* site, ulong next)
    {
        bool isWaiting = Cpu.IsEventWaiting; // what is due waits
        if (Volatile.Read(ref _context->Attention) != 0 || _context->State.Activity != ActivityState.Running
            || (isWaiting && Cpu.IsEventDue) || Cpu.IsUserCodeHeld || (_userCode is not null && _context->Cpl == 3))
        {
            return Stop(next);
        }

        _bridge->Waiting = isWaiting ? 1u : 0;
        ulong linear = (next + _context->CodeBase) & MaskOf(site);
        ulong salt = _salts.Of(_blocks.IsUser, site->Block->Mode, site->Block->Segment, out JumpEntry* jumps);
        JumpEntry* known = jumps + JumpEntry.IndexOf(linear);
        if (salt == _bridge->Salt && known->Tag == (linear ^ salt))
        {
            ResumeLoaded();
            _bridge->Value = known->Tag;
            return known->Target;
        }

        byte* entry = _blocks.FindEntry(next);
        return entry == null ? Stop(next) : Enter(next, entry);
    }

    private static ulong Extend(ulong value, in DeviceAccess access)
    {
        int unused = 64 - (8 * access.Size);
        return access.IsSigned ? (ulong)((long)(value << unused) >> unused) : (value << unused) >> unused;
    }

    // SAFETY, of the three below: the registers are the vCPU's, in native memory; offsets come from the decoder's registers.
    private ulong ReadRegister(int offset) =>
        (offset & 1) != 0 ? *((byte*)_context->State.Gprs + offset) : *(ulong*)((byte*)_context->State.Gprs + offset);

    private void WriteRegister(int offset, int size, ulong value) =>
        X86Cpu.StoreRegister((byte*)_context->State.Gprs + offset, size, value);

    private void AdvanceString(int register, int size, ulong mask)
    {
        ref ulong place = ref _context->State.Gprs[register];
        ulong step = (_context->State.Rflags & RFlags.DF) != 0 ? 0UL - (ulong)size : (ulong)size;
        ulong advanced = (place + step) & mask;
        place = mask == ushort.MaxValue ? (place & ~mask) | advanced : advanced;
    }
}
