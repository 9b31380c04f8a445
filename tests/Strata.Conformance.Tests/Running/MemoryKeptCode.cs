using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Translator;
using Strata.X86.Translator.Keeping;

namespace Strata.Conformance.Tests.Running;

/// <summary>Kept code in memory: of the pages as they were when it was captured.</summary>
internal sealed class MemoryKeptCode : IKeptCode
{
    private readonly Dictionary<ulong, (byte[] Bytes, byte[] Record)> _pages = [];

    public int Pages => _pages.Count;

    /// <summary>Changes records before they are given away.</summary>
    public Func<byte[], byte[]> Change { get; set; } = record => record;

    /// <summary>Makes a translator that takes over what is kept here.</summary>
    public Translator Create(X86CpuWiring wiring, TranslatorOptions options) =>
        new(wiring, options with { Kept = new KeptPages(this, wiring.Memory.KnownMemories[0]) });

    /// <summary>Takes what an engine, which does not run, has made.</summary>
    public void Fill(ICodeKeeper engine, GuestMemory memory)
    {
        _pages.Clear();
        ICodeCapture capture = engine.CaptureCode(memory);
        for (int i = 0; i < capture.Pages.Count; i++)
        {
            using MemoryStream record = new();
            if (capture.TryWrite(i, record))
            {
                ulong page = capture.Pages[i].Page;
                _pages[page] = (memory.Slice(page << GuestMemory.PageShift, (int)GuestMemory.PageSize).ToArray(), record.ToArray());
            }
        }
    }

    public bool TryRead(ulong page, ReadOnlySpan<byte> bytes, ref byte[] buffer, out ReadOnlySpan<byte> record)
    {
        bool isKept = _pages.TryGetValue(page, out (byte[] Bytes, byte[] Record) kept) && bytes.SequenceEqual(kept.Bytes);
        record = isKept ? Change(kept.Record) : default;
        return isKept;
    }

    public void Dispose() => _pages.Clear();
}
