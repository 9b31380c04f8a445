using System.Globalization;
using Iced.Intel;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator.Tracing;

/// <summary>Writes every translated block as guest and host disassembly. Safe on any thread: several vCPUs may share one.</summary>
public sealed unsafe class TranslationTrace(TextWriter output)
{
    private readonly Lock _gate = new();
    private readonly NasmFormatter _formatter = new();
    private readonly StringOutput _text = new();

    /// <param name="guestBytes">Bytes of guest code.</param>
    internal void Write(int vcpu, TranslatedBlock* block, int guestBytes, byte* codeEnd)
    {
        lock (_gate)
        {
            output.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"block {(block->IsRelative ? "+" : "")}{block->Rip:x} on vCPU {vcpu}: {guestBytes} bytes became " +
                    $"{codeEnd - block->Entry}"));
            List("guest", block->HostPage + (block->Rip & 0xFFF), guestBytes, block->Rip, BitnessOf(block->Mode));
            List("host ", block->Entry, (int)(codeEnd - block->Entry), (ulong)block->Entry, 64);
            output.WriteLine();
        }
    }

    private static int BitnessOf(CodeMode mode) => mode switch { CodeMode.Code64 => 64, CodeMode.Code16 => 16, _ => 32 };

    private void List(string side, byte* code, int size, ulong rip, int bitness)
    {
        Decoder decoder = Decoder.Create(bitness, new ByteArrayCodeReader(new Span<byte>(code, size).ToArray()), rip);
        ulong end = rip + (ulong)size;
        while (decoder.IP < end)
        {
            decoder.Decode(out Instruction instruction);
            _formatter.Format(instruction, _text);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {side} {instruction.IP:x16}  {_text.ToStringAndReset()}"));
        }
    }
}
