using System.Globalization;
using System.Text;
using Strata.X86.Kvm.Interface;

namespace Strata.X86.Kvm;

/// <summary>What one vCPU has done on KVM; for tools, approximate while running.</summary>
public sealed class KvmCounters
{
    private readonly long[] _exits = new long[64];

    /// <summary>Times the guest was entered.</summary>
    public long Entries { get; internal set; }

    /// <summary>Instructions that KVM could not execute and the interpreter did.</summary>
    public long HandedOver { get; internal set; }

    public long Interrupts { get; internal set; }

    /// <summary>Times the whole state moved to or from KVM.</summary>
    public long Transfers { get; internal set; }

    internal void Count(KvmExit exit) => _exits[Math.Min((uint)exit, (uint)_exits.Length - 1)]++;

    /// <summary>A line for people.</summary>
    public string Describe()
    {
        StringBuilder text = new();
        text.Append(
            CultureInfo.InvariantCulture,
            $"{Entries} entries, {Interrupts} interrupts, {HandedOver} instructions handed to the interpreter, {Transfers} state " +
            $"transfers\n");
        text.Append("exits:");
        for (int i = 0; i < _exits.Length; i++)
        {
            if (_exits[i] > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $" {(KvmExit)i} {_exits[i]}");
            }
        }

        return text.ToString();
    }
}
