using System.Runtime.InteropServices;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Threaded;

namespace Strata.X86.Interpreter.Blocks;

/// <summary>
/// Single decoded instructions, for stepping and for engines that hand one over. An entry keeps the bytes it was made from and
/// compares them at each use, so that pages need no write tracking.
/// </summary>
internal sealed unsafe class OpCache : IDisposable
{
    private const int Bits = 12;
    private const int LongestInstruction = 15;

    private readonly BlockDecoder _decoder;
    private readonly Entry* _entries;
    private readonly Op* _scratch;

    public OpCache(BlockDecoder decoder)
    {
        _decoder = decoder;

        // SAFETY: freed in Dispose; zeroed entries match nothing, as no instruction lies at a null host address.
        _entries = (Entry*)NativeMemory.AllocZeroed(1 << Bits, (nuint)sizeof(Entry));
        _scratch = (Op*)NativeMemory.AllocZeroed(2, (nuint)sizeof(Op));
    }

    /// <summary>The instruction at a host address, followed by an op that stops.</summary>
    /// <param name="left">Bytes from there to the end of the page.</param>
    /// <returns>Null if the instruction may run past the page: the caller decodes it as a block.</returns>
    public Op* Find(byte* host, int left, ulong rip, ModeBits mode)
    {
        if (left <= LongestInstruction)
        {
            return null;
        }

        Entry* entry = _entries + ((((ulong)host * 0x9E37_79B9_7F4A_7C15) ^ (uint)mode) >> (64 - Bits));
        ulong* bytes = (ulong*)host;
        if (entry->Host != host || entry->Rip != rip || entry->Mode != mode
            || (((bytes[0] ^ entry->Low) & entry->LowMask) | ((bytes[1] ^ entry->High) & entry->HighMask)) != 0)
        {
            Fill(entry, host, rip, mode);
        }

        return &entry->Op;
    }

    public void Dispose()
    {
        NativeMemory.Free(_entries);
        NativeMemory.Free(_scratch);
    }

    private void Fill(Entry* entry, byte* host, ulong rip, ModeBits mode)
    {
        new Span<Op>(_scratch, 2).Clear();
        entry->Low = *(ulong*)host;
        entry->High = *(ulong*)(host + 8);
        _decoder.Decode(_scratch, host, host + LongestInstruction, rip, mode, limit: 1);
        int length = _scratch->Length;
        entry->LowMask = length >= 8 ? ulong.MaxValue : (1UL << (length * 8)) - 1;
        entry->HighMask = length <= 8 ? 0 : (1UL << ((length - 8) * 8)) - 1;
        entry->Host = host;
        entry->Rip = rip;
        entry->Mode = mode;
        entry->Op = *_scratch;
        entry->Op.Handler = entry->Op.Single;
        entry->Stop = default;
        entry->Stop.NextRip = _scratch->NextRip;
        entry->Stop.Handler = &BranchHandlers.StopAfterOne;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Entry
    {
        public byte* Host;
        public ulong Rip;
        public ulong Low;
        public ulong LowMask;
        public ulong High;
        public ulong HighMask;
        public ModeBits Mode;
        public Op Op;

        /// <summary>Right behind <see cref="Op"/>.</summary>
        public Op Stop;
    }
}
