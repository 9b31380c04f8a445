using Strata.X86.Execution;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// Locked read-modify-write. Inside one page of RAM it is the host's own compare-and-swap; across pages and on devices one
/// process-wide lock serialises it, as a bus lock would.
/// </summary>
internal static unsafe class Atomic
{
    private static readonly Lock BusLock = new();

    /// <summary>Replaces a value by <paramref name="change"/>(value, argument) atomically.</summary>
    /// <param name="before">The old value, zero-extended.</param>
    /// <returns>False if the access faulted.</returns>
    public static bool TryUpdate(
        X86Cpu cpu, ulong va, int size, bool stack, delegate*<ulong, ulong, ulong> change, ulong argument, out ulong before)
    {
        before = 0;
        if (!cpu.TryGetAtomicPointer(va, size, stack, out byte* host))
        {
            return false;
        }

        if (host == null)
        {
            lock (BusLock)
            {
                return cpu.TryRead(va, size, out before) && cpu.TryWrite(va, size, change(before, argument));
            }
        }

        while (true)
        {
            before = Load(host, size);
            ulong after = change(before, argument);
            if (CompareExchange(host, size, before, after) == before)
            {
                return true;
            }
        }
    }

    /// <summary>Stores <paramref name="replacement"/> if memory holds <paramref name="expected"/>.</summary>
    /// <param name="before">What memory held, zero-extended.</param>
    public static bool TryCompareExchange(X86Cpu cpu, ulong va, int size, bool stack, ulong expected, ulong replacement, out ulong before)
    {
        before = 0;
        if (!cpu.TryGetAtomicPointer(va, size, stack, out byte* host))
        {
            return false;
        }

        if (host == null)
        {
            lock (BusLock)
            {
                // The write cycle always happens, with the old value when the comparison failed.
                return cpu.TryRead(va, size, out before) && cpu.TryWrite(va, size, before == expected ? replacement : before);
            }
        }

        before = CompareExchange(host, size, expected, replacement);
        return true;
    }

    /// <summary>16-byte compare-and-exchange.</summary>
    public static bool TryCompareExchange16(X86Cpu cpu, ulong va, bool stack, UInt128 expected, UInt128 replacement, out UInt128 before)
    {
        before = 0;
        if (!cpu.TryGetAtomicPointer(va, 16, stack, out byte* host))
        {
            return false;
        }

        if (host != null && CompareExchange16.IsSupported)
        {
            before = CompareExchange16.Run(host, expected, replacement);
            return true;
        }

        lock (BusLock)
        {
            ulong* words = stackalloc ulong[2];
            if (!cpu.TryReadBytes(va, (byte*)words, 16))
            {
                return false;
            }

            before = new UInt128(words[1], words[0]);
            UInt128 after = before == expected ? replacement : before;
            words[0] = (ulong)after;
            words[1] = (ulong)(after >> 64);
            return cpu.TryWriteBytes(va, (byte*)words, 16);
        }
    }

    private static ulong Load(byte* host, int size) => size switch
    {
        1 => Volatile.Read(ref *host),
        2 => Volatile.Read(ref *(ushort*)host),
        4 => Volatile.Read(ref *(uint*)host),
        _ => Volatile.Read(ref *(ulong*)host),
    };

    private static ulong CompareExchange(byte* host, int size, ulong expected, ulong replacement) => size switch
    {
        1 => Interlocked.CompareExchange(ref *host, (byte)replacement, (byte)expected),
        2 => Interlocked.CompareExchange(ref *(ushort*)host, (ushort)replacement, (ushort)expected),
        4 => Interlocked.CompareExchange(ref *(uint*)host, (uint)replacement, (uint)expected),
        _ => Interlocked.CompareExchange(ref *(ulong*)host, replacement, expected),
    };
}
