using Strata.Core.Bus;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// REP MOVS and STOS where one side or both are a device: the device is found once for all elements of a page. It sees each element as an
/// access of its own, in order, until one of them asks for the processor's attention.
/// </summary>
internal static unsafe class StringDevices
{
    /// <returns>Elements that have been served; 0 if a side is neither memory nor a device on the bus.</returns>
    public static ulong Serve(X86Cpu cpu, Op* op, bool move, in StringInstructions.StringRun run)
    {
        ulong size = op->MemorySize;
        ulong bytes = run.Elements * size;
        MapRange from = default, to = default;
        ulong fromOffset = 0, toOffset = 0;
        if ((move && run.Source == 0
                && !TryFind(cpu, (SegmentIndex)op->Segment, run.From, bytes, AccessKind.Read, out from, out fromOffset))
            || (run.Destination == 0 && !TryFind(cpu, SegmentIndex.Es, run.To, bytes, AccessKind.Write, out to, out toOffset)))
        {
            return 0;
        }

        AccessWidth width = (AccessWidth)size;
        ulong value = cpu.Register(Gpr.Rax) & width.Mask();
        ulong done = 0;
        while (done < run.Elements) // SAFETY: sides in memory lie in a page that the TLB has for the access
        {
            ulong at = done * size;
            if (move)
            {
                value = run.Source != 0
                    ? X86Cpu.LoadHost((byte*)run.Source + at, op->MemorySize)
                    : from.Device!.ReadMmio(fromOffset + at, width) & width.Mask();
            }

            if (run.Destination != 0)
            {
                X86Cpu.StoreHost((byte*)run.Destination + at, op->MemorySize, value);
            }
            else
            {
                to.Device!.WriteMmio(toOffset + at, width, value);
            }

            done++;
            if (cpu.Context->EndBlock != 0 || Volatile.Read(ref cpu.Context->Attention) != 0)
            {
                break; // the map may be another one now, or an interrupt is due
            }
        }

        return done;
    }

    /// <summary>The device that all bytes of a run lead to.</summary>
    /// <param name="offset">Of the first byte, as the device sees it.</param>
    private static bool TryFind(
        X86Cpu cpu, SegmentIndex segment, ulong at, ulong bytes, AccessKind kind, out MapRange range, out ulong offset)
    {
        (range, offset) = (default, 0);
        ulong va = at;
        bool isAccessible = (cpu.Context->Mode & ModeBits.Flat) != 0 || cpu.IsAccessible(segment, at, (int)bytes, kind, out va);
        if (!isAccessible || !cpu.TryFindPhysical(va, kind, out ulong gpa) || cpu.IsOwnDevice(gpa)
            || !cpu.Memory.Current.TryFind(gpa, out range) || range.Kind != RegionKind.Device || bytes > range.End - gpa)
        {
            return false;
        }

        offset = range.DeviceOffset + (gpa - range.Start);
        return true;
    }
}
