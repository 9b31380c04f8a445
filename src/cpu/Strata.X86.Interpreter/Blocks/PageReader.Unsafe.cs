using Iced.Intel;

namespace Strata.X86.Interpreter.Blocks;

/// <summary>Feeds Iced's decoder from host memory without a copy.</summary>
internal sealed unsafe class PageReader : CodeReader
{
    private byte* _at;
    private byte* _end;

    public byte* Position => _at;

    public void Reset(byte* start, byte* end)
    {
        _at = start;
        _end = end;
    }

    public override int ReadByte() => _at < _end ? *_at++ : -1;
}
