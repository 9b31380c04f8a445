namespace Strata.Engines;

/// <summary>The programs that the probe runs, as bytes: an assembler would cost more time than the measurement. RCX counts.</summary>
internal static class ProbeProgram
{
    /// <summary>Instructions in one turn of <see cref="Loop"/>.</summary>
    public const int LoopInstructions = 4;

    /// <summary>inc rcx; mov [rbx], rcx; add rax, [rbx]; jmp to the start.</summary>
    public static ReadOnlySpan<byte> Loop => [0x48, 0xFF, 0xC1, 0x48, 0x89, 0x0B, 0x48, 0x03, 0x03, 0xEB, 0xF5];

    /// <summary>out 80h, al; inc rcx; jmp to the start.</summary>
    public static ReadOnlySpan<byte> Exit => [0xE6, 0x80, 0x48, 0xFF, 0xC1, 0xEB, 0xF9];

    /// <summary>mov al, [rbx]; jmp to the start.</summary>
    public static ReadOnlySpan<byte> Touch => [0x8A, 0x03, 0xEB, 0xFC];

    /// <summary>A page-fault handler that skips the two bytes of the load: add rsp, 8; add qword [rsp], 2; inc rcx; iretq.</summary>
    public static ReadOnlySpan<byte> SkipTwo => [0x48, 0x83, 0xC4, 0x08, 0x48, 0x83, 0x04, 0x24, 0x02, 0x48, 0xFF, 0xC1, 0x48, 0xCF];
}
