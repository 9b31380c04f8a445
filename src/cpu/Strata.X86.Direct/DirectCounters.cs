using System.Globalization;
using System.Text;

namespace Strata.X86.Direct;

/// <summary>What ended a run of guest code.</summary>
public enum DirectEvent
{
    /// <summary>SYSCALL.</summary>
    SystemCall,

    /// <summary>A page that was not mapped yet, or not with that right.</summary>
    PageFault,

    /// <summary>An exception, or an instruction that the interpreter executes, CPUID and RDTSC among them.</summary>
    Exception,

    /// <summary>An interrupt, or somebody else wanted the processor.</summary>
    Interrupt,

    /// <summary>The program has attacked its process, and has been given a general protection fault.</summary>
    Attack,
}

/// <summary>What one vCPU has executed directly; for tools, approximate while running.</summary>
public sealed class DirectCounters
{
    private readonly long[] _events = new long[Enum.GetValues<DirectEvent>().Length];

    /// <summary>Processes that were started.</summary>
    public long Stubs { get; internal set; }

    /// <summary>Pages that were mapped, and those of them before they were asked for.</summary>
    public long PagesMapped { get; internal set; }

    public long PagesAhead { get; internal set; }

    /// <summary>Host time from an entry into guest code to the event behind it.</summary>
    public TimeSpan Time { get; internal set; }

    /// <summary>How often an address space was compared with the guest's tables, and parts of 2 MiB that had to be page by page.</summary>
    public long Revalidations { get; internal set; }

    public long RegionsCompared { get; internal set; }

    /// <summary>How often an address space changed between the engines, by the policy.</summary>
    public long Moves { get; internal set; }

    /// <summary>How often code was left to the translator until the next interrupt, as its page asks which processor it runs on.</summary>
    public long Identifications { get; internal set; }

    /// <summary>
    /// How often user code that came to the monitor, whatever for, was left to the translator by the policy.
    /// </summary>
    public long LeftToTranslator { get; internal set; }

    /// <summary>Why nothing is executed directly any more; null while it can be.</summary>
    public string? Obstacle { get; internal set; }

    /// <summary>Events of a kind so far.</summary>
    public long EventsOf(DirectEvent kind) => _events[(int)kind];

    internal void Count(DirectEvent kind) => _events[(int)kind]++;

    /// <summary>Two lines for people.</summary>
    public string Describe()
    {
        StringBuilder text = new();
        text.Append(
            CultureInfo.InvariantCulture,
            $"direct: {Time.TotalMilliseconds:F0} ms in user code, {Stubs} processes, {PagesMapped} pages mapped, {PagesAhead} ahead; " +
            $"{Revalidations} revalidations, {RegionsCompared} of 2 MiB page by page, {Moves} moves, " +
            $"{LeftToTranslator} entries left to the translator, {Identifications} times for CPUID");
        text.Append("\ndirect events:");
        foreach (DirectEvent kind in Enum.GetValues<DirectEvent>())
        {
            text.Append(CultureInfo.InvariantCulture, $" {kind} {_events[(int)kind]}");
        }

        if (Obstacle is { } obstacle)
        {
            text.Append("\ndirect: off. ").Append(obstacle);
        }

        return text.ToString();
    }
}
