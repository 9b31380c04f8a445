using System.Buffers.Binary;
using Iced.Intel;
using Strata.Core.Bus;
using Strata.Machines.Boards;
using Strata.X86.Paravirt;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>
/// A guest that tells its time-stamp counter for ever, and the device that hears it: the time which the paravirtual clock gives the
/// guest must lie between the device's last answer and the next access, however long the host lets either wait.
/// </summary>
internal sealed class ClockProbe(PcBoard board) : IPortDevice
{
    public const ushort FirstPort = 0x900;
    public const ushort PortCount = 8;

    private const ushort HighPort = 4;
    private const uint Record = 0x93000;

    private readonly Lock _gate = new();
    private uint _low;
    private long _earliest;
    private long _latest;
    private long _samples;
    private long _worst;

    public static byte[] Assemble() => MultibootProgram.Assemble(c =>
    {
        Label loop = c.CreateLabel();
        c.mov(ecx, ParavirtMsr.SystemTime);
        c.mov(eax, Record | 1);
        c.xor(edx, edx);
        c.wrmsr();
        c.Label(ref loop);
        c.rdtsc();
        c.mov(ebx, edx);
        c.mov(dx, FirstPort);
        c.@out(dx, eax);
        c.mov(eax, ebx);
        c.mov(dx, FirstPort + HighPort);
        c.@out(dx, eax);
        c.jmp(loop);
    });

    /// <summary>How often the guest told its time since the last call, and by how many nanoseconds at most it was wrong.</summary>
    public (long Samples, long Worst) Take()
    {
        lock (_gate)
        {
            (long, long) result = (_samples, _worst);
            _samples = _worst = 0;
            return result;
        }
    }

    public uint ReadPort(ushort offset, AccessWidth width) => width switch { AccessWidth.Dword => uint.MaxValue, _ => 0xFF };

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        lock (_gate)
        {
            if (offset == HighPort)
            {
                long time = Compute(((ulong)value << 32) | _low);
                _samples++;
                _worst = Math.Max(_worst, Math.Max(_earliest - time, time - _latest));
                _earliest = board.Clock.Now;
            }
            else
            {
                _latest = board.Clock.Now;
                _low = value;
            }
        }
    }

    /// <summary>As guests do. Linux kernel documentation, "KVM-specific MSRs", MSR_KVM_SYSTEM_TIME_NEW.</summary>
    private long Compute(ulong tsc)
    {
        ReadOnlySpan<byte> record = board.Ram.Slice(Record, 32);
        ulong ticks = tsc - BinaryPrimitives.ReadUInt64LittleEndian(record[8..]);
        sbyte shift = (sbyte)record[28];
        UInt128 scaled = shift < 0 ? ticks >> -shift : (UInt128)ticks << shift;
        return (long)(BinaryPrimitives.ReadUInt64LittleEndian(
            record[16..]) + (ulong)((scaled * BinaryPrimitives.ReadUInt32LittleEndian(record[24..])) >> 32));
    }
}
