using System.Diagnostics;

namespace Strata.X86.Direct.Stub;

/// <summary>How long a monitor waits awake for an event before it sleeps, as the last ones came. On the vCPU's thread.</summary>
internal sealed unsafe class Patience
{
    /// <summary>About what two switches of the host cost.</summary>
    private const double AwakeMicroseconds = 20;

    /// <summary>Waits that are slept through behind failures, at most.</summary>
    private const int MostSkips = 64;

#pragma warning disable RS0030 // time of the host: what waiting costs
    private static readonly long Awake = (long)(AwakeMicroseconds * 1e-6 * Stopwatch.Frequency);
#pragma warning restore RS0030
    private readonly bool _hasOthers = Environment.ProcessorCount > 1;
    private int _skips;
    private int _left;

    /// <summary>Whether to wait awake this time.</summary>
    public bool MayWaitAwake()
    {
        if (_left > 0)
        {
            _left--;
            return false;
        }

        return _hasOthers;
    }

    /// <summary>Whether a wait was long enough.</summary>
    public void Note(bool came)
    {
        _skips = came ? 0 : Math.Min((_skips * 2) + 1, MostSkips);
        _left = _skips;
    }

    /// <returns>True if the word had the value in time.</returns>
    public static bool Wait(uint* word, uint value)
    {
        const int looks = 8; // between two looks at the clock
#pragma warning disable RS0030 // time of the host: what waiting costs
        long end = Stopwatch.GetTimestamp() + Awake;
        do
        {
            for (int i = 0; i < looks; i++)
            {
                if (Volatile.Read(ref *word) == value)
                {
                    return true;
                }

                Thread.SpinWait(1);
            }
        }
        while (Stopwatch.GetTimestamp() < end);
#pragma warning restore RS0030
        return false;
    }
}
