using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Tests.HostCpu;

/// <summary>
/// Runs one instruction (or a few) on the host CPU between loading and storing a whole register file: the oracle of
/// differential tests. Not for instructions that fault, touch RSP or transfer control. One instance is one thread's.
/// <code>
/// using var add = new HostInstruction(a => a.adc(rax, rbx));
/// add.Gprs[0] = 1; add.Gprs[3] = 2; add.Rflags = 0x203;
/// add.Run();
/// </code>
/// </summary>
public sealed unsafe class HostInstruction : IDisposable
{
    private const int PageSize = 4096;
    private const int MemorySize = 4096;
    private static readonly AssemblerRegister64[] All =
        [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15];

    // Position-independent, and assembled once: some tests make thousands of instances.
    private static readonly byte[] Before = HostCodePage.Assemble(EmitLoad, 0);
    private static readonly byte[] After = HostCodePage.Assemble(EmitStore, 0);
    private readonly HostCodePage _code;
    private readonly HostCodePage _data;
    private readonly delegate* unmanaged<HostRegisters*, void> _entry;

    /// <summary>Assembles the instruction under test.</summary>
    public HostInstruction(Action<Assembler> instruction)
        : this(HostCodePage.Assemble(instruction, 0))
    {
    }

    /// <summary>Takes the instruction under test as machine code.</summary>
    public HostInstruction(ReadOnlySpan<byte> instruction)
    {
        _code = new HostCodePage(PageSize);
        Registers = (HostRegisters*)NativeMemory.AlignedAlloc((nuint)sizeof(HostRegisters), 64);
        _data = new HostCodePage(2 * PageSize, low: true);
        Memory = (byte*)_data.Address + (PageSize / 2);
        _code.Write(Before, instruction, After);
        _entry = (delegate* unmanaged<HostRegisters*, void>)_code.Address;
        Reset();
    }

    /// <summary>The register file, in native memory.</summary>
    public HostRegisters* Registers { get; }

    /// <summary>RAX..R15.</summary>
    public ulong* Gprs => Registers->Gprs;

    public ref ulong Rflags => ref Registers->Rflags;

    /// <summary>
    /// 4 KiB of scratch memory for memory operands, half in one page and half in the next, below 2 GiB; put its address into a
    /// register.
    /// </summary>
    public byte* Memory { get; }

    public ref uint Mxcsr => ref *(uint*)(Registers->Fpu + 24);

    public ref ushort Fcw => ref *(ushort*)(Registers->Fpu + 0);

    public ref ushort Fsw => ref *(ushort*)(Registers->Fpu + 2);

    /// <summary>Abridged tag word: bit i set means that physical register i is in use.</summary>
    public ref byte Ftw => ref *(Registers->Fpu + 4);

    /// <summary>Runs the instruction.</summary>
    public void Run() => _entry(Registers);

    /// <summary>Low half of XMMn.</summary>
    public ref ulong Xmm(int n, int half = 0) => ref *(ulong*)(Registers->Fpu + 160 + (16 * n) + (8 * half));

    /// <summary>A quadword of the upper half of YMMn.</summary>
    public ref ulong Upper(int n, int half = 0) => ref *(ulong*)(Registers->Uppers + (16 * n) + (8 * half));

    /// <summary>Significand of ST(i).</summary>
    public ref ulong StSignificand(int i) => ref *(ulong*)(Registers->Fpu + 32 + (16 * i));

    /// <summary>Sign and exponent of ST(i).</summary>
    public ref ushort StExponent(int i) => ref *(ushort*)(Registers->Fpu + 40 + (16 * i));

    /// <summary>Everything zero, all exceptions masked, the x87 stack empty, RBX = <see cref="Memory"/>.</summary>
    public void Reset()
    {
        *Registers = default;
        Mxcsr = 0x1F80;
        Fcw = 0x37F;
        Rflags = 0x202;
        Gprs[3] = (ulong)Memory;
    }

    public void Dispose()
    {
        _code.Dispose();
        NativeMemory.AlignedFree(Registers);
        _data.Dispose();
    }

    private static AssemblerRegisterYMM Ymm(int n) => new(Register.YMM0 + n);

    private static void EmitLoad(Assembler a)
    {
        foreach (AssemblerRegister64 register in (ReadOnlySpan<AssemblerRegister64>)[rbx, rbp, r12, r13, r14, r15])
        {
            a.push(register);
        }

        a.sub(rsp, 24);
        a.stmxcsr(__dword_ptr[rsp]);
        a.fnstcw(__word_ptr[rsp + 4]);
        a.mov(__qword_ptr[rsp + 8], rdi);
        a.fxrstor64(__[rdi + HostRegisters.FpuOffset]);
        for (int i = 0; i < 16 && Avx.IsSupported; i++)
        {
            a.vinsertf128(Ymm(i), Ymm(i), __[rdi + HostRegisters.UppersOffset + (16 * i)], 1);
        }

        a.push(__qword_ptr[rdi + HostRegisters.FlagsOffset]);
        a.popfq();
        for (int i = 0; i < 16; i++)
        {
            if (i is not 4 and not 7)
            {
                a.mov(All[i], __qword_ptr[rdi + HostRegisters.GprOffset + (8 * i)]);
            }
        }

        a.mov(rdi, __qword_ptr[rdi + HostRegisters.GprOffset + (8 * 7)]);
    }

    private static void EmitStore(Assembler a)
    {
        // No instruction may change the flags before they are pushed.
        a.xchg(__qword_ptr[rsp + 8], rdi);
        for (int i = 0; i < 16; i++)
        {
            if (i is not 4 and not 7)
            {
                a.mov(__qword_ptr[rdi + HostRegisters.GprOffset + (8 * i)], All[i]);
            }
        }

        a.pushfq();
        a.pop(__qword_ptr[rdi + HostRegisters.FlagsOffset]);
        a.mov(rax, __qword_ptr[rsp + 8]);
        a.mov(__qword_ptr[rdi + HostRegisters.GprOffset + (8 * 7)], rax);
        a.fxsave64(__[rdi + HostRegisters.FpuOffset]);

        for (int i = 0; i < 16 && Avx.IsSupported; i++)
        {
            a.vextractf128(__[rdi + HostRegisters.UppersOffset + (16 * i)], Ymm(i), 1);
        }

        if (Avx.IsSupported)
        {
            a.vzeroupper();
        }

        // Pending x87 exceptions must be gone before any waiting instruction, and DF before managed code.
        a.fninit();
        a.fldcw(__word_ptr[rsp + 4]);
        a.ldmxcsr(__dword_ptr[rsp]);
        a.cld();
        a.add(rsp, 24);
        foreach (AssemblerRegister64 register in (ReadOnlySpan<AssemblerRegister64>)[r15, r14, r13, r12, rbp, rbx])
        {
            a.pop(register);
        }

        a.ret();
    }
}
