using System.Globalization;
using System.Text;
using Iced.Intel;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator;

/// <summary>What one vCPU's translator has done; for tools, approximate while running.</summary>
public sealed class TranslatorCounters
{
    private readonly long[] _exits = new long[Enum.GetValues<SiteKind>().Length];

    /// <summary>Blocks translated, and times the whole cache was dropped.</summary>
    public long Blocks { get; internal set; }

    public long Resets { get; internal set; }

    /// <summary>Blocks taken over from an earlier run, the pages that they are of, and the host time that it took.</summary>
    public long BlocksTakenOver { get; internal set; }

    public long PagesTakenOver { get; internal set; }

    public TimeSpan TakingOverTime { get; internal set; }

    /// <summary>Bytes of guest code translated; a byte that is in two blocks counts twice.</summary>
    public long GuestBytes { get; internal set; }

    /// <summary>Host time spent on translating: decoding, flag liveness, emission.</summary>
    public TimeSpan TranslationTime { get; internal set; }

    /// <summary>Links patched into branches.</summary>
    public long Links { get; internal set; }

    /// <summary>Page faults and other exceptions found while an access was made possible.</summary>
    public long Faults { get; internal set; }

    /// <summary>
    /// TLB misses that translated code mended itself: by a page that had been displaced, and by a walk of the guest's page tables.
    /// </summary>
    public long VictimsReturned { get; internal set; }

    public long Walks { get; internal set; }

    /// <summary>Accesses to devices, by memory and by ports, that neither the interpreter nor translated code executed.</summary>
    public long DeviceAccesses { get; internal set; }

    /// <summary>Dispatches whose target had another one in its place of the jump table.</summary>
    public long SecondFinds { get; internal set; }

    /// <summary>Branches whose target no jump table knew, so that translated code was left.</summary>
    public long Dispatches => _exits[(int)SiteKind.Dispatch];

    /// <summary>Times a direct branch to another page left translated code to be linked.</summary>
    public long CrossLinks => _exits[(int)SiteKind.Cross];

    /// <summary>Bytes of emitted code.</summary>
    public long CodeBytes { get; internal set; }

    /// <summary>Instructions that the interpreter executed, by encoding.</summary>
    public required IReadOnlyList<long> Interpreted { get; init; }

    internal void Count(SiteKind kind) => _exits[(int)kind]++;

    /// <summary>A few lines for people.</summary>
    public string Describe()
    {
        StringBuilder text = new();
        text.Append(
            CultureInfo.InvariantCulture,
            $"{Blocks} blocks from {GuestBytes >> 10} KiB in {TranslationTime.TotalMilliseconds:F0} ms, {CodeBytes >> 10} KiB of code, " +
            $"{Links} links, {Resets} resets, {Faults} faults\n");
        if (BlocksTakenOver != 0)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"{BlocksTakenOver} blocks of {PagesTakenOver} pages taken over in {TakingOverTime.TotalMilliseconds:F0} ms\n");
        }

        text.Append(
            CultureInfo.InvariantCulture,
            $"TLB misses mended in translated code: {VictimsReturned} by displaced pages, {Walks} by walks; " +
            $"{SecondFinds} jumps by the second table; {DeviceAccesses} plain accesses to devices\n");
        text.Append("exits:");
        foreach (SiteKind kind in Enum.GetValues<SiteKind>())
        {
            text.Append(CultureInfo.InvariantCulture, $" {kind} {_exits[(int)kind]}");
        }

        text.Append("\ninterpreted:");
        foreach ((long count, int code) in Interpreted.Select((count, code) => (count, code))
            .Where(pair => pair.count > 0)
            .OrderByDescending(pair => pair.count)
            .Take(24))
        {
            text.Append(CultureInfo.InvariantCulture, $" {(Code)code} {count}");
        }

        return text.ToString();
    }
}
