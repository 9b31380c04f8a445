using System.Runtime.InteropServices;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// A 16-byte compare-and-swap, which .NET does not offer: on x64 a few bytes of machine code around LOCK CMPXCHG16B.
/// </summary>
internal static unsafe partial class CompareExchange16
{
    // mov r8, rdx; mov rax, [rdi+0]... arguments: rdi = target, rsi = UInt128[3] {expected, replacement, result}
    private static ReadOnlySpan<byte> Machine =>
    [
        0x53,                               // push rbx
        0x48, 0x8B, 0x06,                   // mov rax, [rsi]
        0x48, 0x8B, 0x56, 0x08,             // mov rdx, [rsi+8]
        0x48, 0x8B, 0x5E, 0x10,             // mov rbx, [rsi+16]
        0x48, 0x8B, 0x4E, 0x18,             // mov rcx, [rsi+24]
        0xF0, 0x48, 0x0F, 0xC7, 0x0F,       // lock cmpxchg16b [rdi]
        0x48, 0x89, 0x46, 0x20,             // mov [rsi+32], rax
        0x48, 0x89, 0x56, 0x28,             // mov [rsi+40], rdx
        0x5B,                               // pop rbx
        0xC3,                               // ret
    ];

    private static readonly nint Code = Emit();

    public static bool IsSupported => Code != 0;

    /// <returns>What memory held before.</returns>
    public static UInt128 Run(byte* target, UInt128 expected, UInt128 replacement)
    {
        ulong* block = stackalloc ulong[6];
        block[0] = (ulong)expected;
        block[1] = (ulong)(expected >> 64);
        block[2] = (ulong)replacement;
        block[3] = (ulong)(replacement >> 64);

        // SAFETY: the code touches [rdi] (16 aligned bytes, the caller's check) and the six words of block.
        ((delegate* unmanaged<byte*, ulong*, void>)Code)(target, block);
        return new UInt128(block[5], block[4]);
    }

    private static nint Emit()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return 0;
        }

        const int readWriteExecute = 7;
        const int privateAnonymous = 0x22;
        nint page = Map(0, 4096, readWriteExecute, privateAnonymous, -1, 0);
        if (page == -1)
        {
            return 0; // a host that forbids executable memory: the bus lock serves
        }

        Machine.CopyTo(new Span<byte>((void*)page, 4096));
        return page;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, long offset);
}
