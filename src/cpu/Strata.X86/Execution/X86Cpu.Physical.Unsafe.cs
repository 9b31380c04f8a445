using System.Runtime.CompilerServices;
using Strata.Core.Bus;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>What a translated access touches: RAM of the host, or a device behind a guest-physical address.</summary>
public sealed unsafe partial class X86Cpu
{
    /// <summary>The guest-physical address of an access within a page, for one that is known to lead to a device.</summary>
    /// <returns>False if it would fault or has to be looked at closely; nothing is recorded.</returns>
    public bool TryFindPhysical(ulong va, AccessKind kind, out ulong gpa)
    {
        gpa = va;
        if (!IsCanonical(va) || NeedsCheckedAccess)
        {
            return false;
        }

        if ((Context->State.Cr0 & Cr0.PG) == 0)
        {
            return true;
        }

        TlbPrivilege privilege = CurrentPrivilege;
        bool found = PageWalker.TryWalk(
            in Context->State, Memory, va, kind, privilege == TlbPrivilege.User, privilege == TlbPrivilege.SupervisorUserAccess,
            out Translation translation, out _);
        gpa = translation.Gpa;
        return found;
    }

    /// <summary>Whether an address is this processor's own local APIC, which is not on the bus.</summary>
    public bool IsOwnDevice(ulong gpa) => Wiring.LocalApic is { } apic && (gpa & PageBase) == apic.MmioPage;

    private void CopyIn(byte* host, ulong gpa, byte* destination, int size)
    {
        if (host != null)
        {
            Unsafe.CopyBlockUnaligned(destination, host, (uint)size);
            return;
        }

        for (int done = 0; done < size;)
        {
            int step = Step(gpa + (ulong)done, size - done);
            StoreHost(destination + done, step, ReadPhysical(gpa + (ulong)done, step));
            done += step;
        }
    }

    private void CopyOut(byte* host, ulong gpa, byte* source, int size)
    {
        if (host != null)
        {
            Unsafe.CopyBlockUnaligned(host, source, (uint)size);
            return;
        }

        for (int done = 0; done < size;)
        {
            int step = Step(gpa + (ulong)done, size - done);
            WriteDevice(gpa + (ulong)done, (AccessWidth)step, LoadHost(source + done, step));
            done += step;
        }
    }

    /// <summary>Largest naturally aligned power of two at an address, at most 8 and at most what is left.</summary>
    private static int Step(ulong gpa, int left)
    {
        int step = 8;
        while (step > left || (gpa & (ulong)(step - 1)) != 0)
        {
            step >>= 1;
        }

        return step;
    }

    private ulong ReadPhysical(ulong gpa, int size)
    {
        if (size is 1 or 2 or 4 or 8)
        {
            return ReadDevice(gpa, (AccessWidth)size);
        }

        ulong value = 0;
        for (int i = 0; i < size; i++)
        {
            value |= ReadDevice(gpa + (ulong)i, AccessWidth.Byte) << (8 * i);
        }

        return value;
    }

    /// <summary>The local APIC's page is this processor's own; everything else is on the bus.</summary>
    public ulong ReadDevice(ulong gpa, AccessWidth width) =>
        IsOwnDevice(gpa)
            ? Wiring.LocalApic!.ReadMmio(gpa & PageOffset, width) & width.Mask()
            : Memory.Read(gpa, width);

    public void WriteDevice(ulong gpa, AccessWidth width, ulong value)
    {
        if (IsOwnDevice(gpa))
        {
            Wiring.LocalApic!.WriteMmio(gpa & PageOffset, width, value & width.Mask());
            return;
        }

        Memory.Write(gpa, width, value);
    }

    /// <summary>Memory of the host, zero-extended from 1, 2, 4 or 8 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong LoadHost(byte* host, int size) => size switch
    {
        1 => *host,
        2 => *(ushort*)host,
        4 => *(uint*)host,
        _ => *(ulong*)host,
    };

    /// <summary>The same in the other direction.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreHost(byte* host, int size, ulong value)
    {
        switch (size)
        {
            case 1:
                *host = (byte)value;
                break;
            case 2:
                *(ushort*)host = (ushort)value;
                break;
            case 4:
                *(uint*)host = (uint)value;
                break;
            default:
                *(ulong*)host = value;
                break;
        }
    }

    /// <summary>Writes a general-purpose register: 32 bits clear the upper half, 8 and 16 leave the rest.</summary>
    /// <param name="register">Where it is in the context; of AH and its kin, a byte further.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRegister(byte* register, int size, ulong value)
    {
        if (size == sizeof(uint))
        {
            *(ulong*)register = (uint)value;
        }
        else
        {
            StoreHost(register, size, value);
        }
    }
}
