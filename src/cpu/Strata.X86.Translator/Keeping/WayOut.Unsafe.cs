using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator.Keeping;

/// <summary>
/// The way out of a site, as <c>BlockEmitter.EmitWayOut</c> and the jump or call behind it leave it:
/// <code>
/// 41 BD number:32   mov r13d, number
/// E9|E8 to:32       jmp|call stub
/// </code>
/// </summary>
internal static unsafe class WayOut
{
    private const int NumberBytes = 4;
    private const int OpcodeBytes = 2;

    /// <summary>Bytes behind the number.</summary>
    private const int Behind = 1 + sizeof(int);

    /// <summary>Where a branch that is not linked leads.</summary>
    public static int StartOf(ushort way) => way - OpcodeBytes;

    /// <summary>Whether the code has a way out there, of whatever number.</summary>
    public static bool IsAt(ReadOnlySpan<byte> code, int way) =>
        way >= OpcodeBytes
            && way + NumberBytes + Behind <= code.Length
            && code[way - 2] == 0x41
            && code[way - 1] == 0xBD
            && code[way + NumberBytes] is 0xE8 or 0xE9;

    /// <summary>The number, and what the jump behind it leads to.</summary>
    /// <param name="entry">Where the code was emitted.</param>
    public static (int Number, nint Target) Read(ReadOnlySpan<byte> code, int way, byte* entry)
    {
        int place = way + NumberBytes + 1;

        // SAFETY: an address is computed only.
        return (BitConverter.ToInt32(code[way..]), (nint)(entry + place + sizeof(int) + BitConverter.ToInt32(code[place..])));
    }

    public static void Clear(Span<byte> code, int way)
    {
        code.Slice(way, sizeof(int)).Clear();
        code.Slice(way + NumberBytes + 1, sizeof(int)).Clear();
    }

    /// <summary>Writes both.</summary>
    public static void Write(byte* entry, int way, int number, byte* stub)
    {
        // SAFETY: IsAt has been asked of the same code.
        *(int*)(entry + way) = number;
        Emit.HostAssembler.Patch(entry + way + NumberBytes + 1, stub);
    }
}
