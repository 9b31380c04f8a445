namespace Strata.X86.Direct.Stub;

/// <summary>
/// What the host's kernel and the stub say of a run that has ended. Copied out of memory that guest code can write: each value is as
/// trustworthy as a register of the guest's program, and no more.
/// </summary>
internal unsafe struct StubFrame
{
    /// <summary>In the order of their encoding.</summary>
    public fixed ulong Registers[16];
    public ulong Rip;
    public ulong Rflags;
    public ulong FsBase;
    public ulong GsBase;

    /// <summary>DS, ES, FS, GS.</summary>
    public fixed ushort Selectors[4];
    public ushort Cs;
    public ushort Ss;

    /// <summary>Number of the host's signal.</summary>
    public int Signal;

    /// <summary>Vector and error code of the processor's exception that led to the signal, if one did.</summary>
    public uint Trap;
    public uint ErrorCode;

    /// <summary>Linear address of a page fault.</summary>
    public ulong Cr2;

    /// <summary>Behind the instruction of a system call; in the host's vsyscall page the instruction itself.</summary>
    public ulong CallAddress;

    /// <summary>How a system call was made: AUDIT_ARCH_X86_64 by SYSCALL in 64-bit mode.</summary>
    public uint Architecture;

    /// <summary>Whether the interrupted code is the stub's own: the guest's state is then what it was entered with.</summary>
    public readonly bool IsInStub => Rip is >= StubLayout.Base and < StubLayout.End;

    /// <summary>Where struct ucontext has the address of the interrupted instruction, and a register: bytes.</summary>
    public static int OffsetOfRip => ContextRegisters + (8 * InstructionPointer);

    public static int OffsetOf(int register) => ContextRegisters + (8 * Places[register]);

    /// <summary>Reads a frame that the host's kernel has left.</summary>
    /// <param name="shared">The monitor's mapping of the public page; the stack follows it.</param>
    /// <param name="vectors">Bytes of the XSAVE image, which are <see cref="VectorImage.Size"/> at least.</param>
    /// <returns>False if the addresses that the stub gives lead out of its stack.</returns>
    public static bool TryRead(byte* shared, out StubFrame frame, out byte* vectors)
    {
        frame = default;
        vectors = null;
        ulong context = *(ulong*)(shared + StubLayout.PublicOffset.Context);
        ulong information = *(ulong*)(shared + StubLayout.PublicOffset.Information);
        if (!IsInStack(context, ContextSize) || !IsInStack(information, InformationSize))
        {
            return false;
        }

        ulong* general = (ulong*)(shared + (context - StubLayout.Public) + ContextRegisters);
        ReadRegisters(ref frame, general);
        ulong image = general[Image];
        if (!IsInStack(image, VectorImage.Size) || (image & 63) != 0)
        {
            return false;
        }

        vectors = shared + (image - StubLayout.Public);
        byte* info = shared + (information - StubLayout.Public);
        frame.CallAddress = *(ulong*)(info + 16);
        frame.Architecture = *(uint*)(info + 28);
        frame.Signal = *(int*)(shared + StubLayout.PublicOffset.Signal);
        frame.FsBase = *(ulong*)(shared + StubLayout.PublicOffset.FsBase);
        frame.GsBase = *(ulong*)(shared + StubLayout.PublicOffset.GsBase);
        for (int i = 0; i < 4; i++)
        {
            frame.Selectors[i] = *(ushort*)(shared + StubLayout.PublicOffset.Selectors + (4 * i));
        }

        return true;
    }

    // struct ucontext of the kernel: flags, link, stack, then struct sigcontext.
    private const int ContextRegisters = 40;
    private const int ContextSize = ContextRegisters + (24 * 8);
    private const int InformationSize = 128;

    // Quadwords of struct sigcontext_64.
    private const int InstructionPointer = 16;
    private const int Flags = 17;
    private const int Segments = 18;
    private const int Error = 19;
    private const int TrapNumber = 20;
    private const int FaultAddress = 22;
    private const int Image = 23;

    /// <summary>Registers by their encoding, as places in struct sigcontext_64.</summary>
    private static ReadOnlySpan<byte> Places => [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7];

    private static void ReadRegisters(ref StubFrame frame, ulong* general)
    {
        for (int i = 0; i < 16; i++)
        {
            frame.Registers[i] = general[Places[i]];
        }

        frame.Rip = general[InstructionPointer];
        frame.Rflags = general[Flags];
        frame.Cs = (ushort)general[Segments];
        frame.Ss = (ushort)(general[Segments] >> 48);
        frame.ErrorCode = (uint)general[Error];
        frame.Trap = (uint)general[TrapNumber];
        frame.Cr2 = general[FaultAddress];
    }

    private static bool IsInStack(ulong address, int size) =>
        address >= StubLayout.Stack && address <= StubLayout.Stack + StubLayout.StackSize - (ulong)size && (address & 7) == 0;
}
