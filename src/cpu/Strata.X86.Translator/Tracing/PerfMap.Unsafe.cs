using System.Globalization;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator.Tracing;

/// <summary>
/// Names translated blocks for Linux perf: lines "start size name" in /tmp/perf-PID.map. Safe on any thread.
/// </summary>
public sealed unsafe class PerfMap : IDisposable
{
    private readonly Lock _gate = new();
    private readonly StreamWriter _map;

    public PerfMap() => _map = new StreamWriter($"/tmp/perf-{Environment.ProcessId}.map", append: true) { AutoFlush = true };

    public void Dispose() => _map.Dispose();

    internal void Add(byte* start, byte* end, string name)
    {
        lock (_gate)
        {
            _map.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(ulong)start:x} {end - start:x} {name}"));
        }
    }

    internal void Add(ulong rip, TranslatedBlock* block, byte* end) => Add(block->Entry, end, $"guest:{rip:x}");
}
