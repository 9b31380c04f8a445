using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>
/// Encodings that older processors execute as NOPs and newer ones give a meaning: without their feature they stay NOPs.
/// Intel SDM Vol. 2, "NOP", "RDSSPD/RDSSPQ" and "PREFETCHh"; Vol. 1, "Control-flow Enforcement Technology (CET)".
/// </summary>
public sealed unsafe class HintTests
{
    private const ulong NoAddress = 0x0DEA_D000_0000_0000;

    public static TheoryData<byte[]> Hints => new(
        new byte[] { 0xF3, 0x48, 0x0F, 0x1E, 0xC8 }, // RDSSPQ RAX: libgcc's unwinder executes it at every exception
        new byte[] { 0xF3, 0x0F, 0x1E, 0xC8 }, // RDSSPD EAX: does not clear the upper half either
        new byte[] { 0xF3, 0x0F, 0x1E, 0xFA }, // ENDBR64
        new byte[] { 0x0F, 0x1E, 0xC8 }, // reserved
        new byte[] { 0x66, 0x0F, 0x1E, 0x08 }, // reserved, [RAX]
        new byte[] { 0x0F, 0x1A, 0x00 }, // BNDLDX BND0, [RAX]
        new byte[] { 0xF3, 0x0F, 0x1B, 0x00 }, // BNDMK BND0, [RAX]
        new byte[] { 0x0F, 0x1C, 0x00 }, // CLDEMOTE [RAX]
        new byte[] { 0x0F, 0x0D, 0x10 }, // PREFETCHWT1 [RAX]
        new byte[] { 0x0F, 0x18, 0x3D, 0, 0, 0, 0x10 }, // PREFETCHIT0 [RIP + 10000000H]
        new byte[] { 0x0F, 0x18, 0x35, 0, 0, 0, 0x10 }); // PREFETCHIT1 [RIP + 10000000H]

    [Theory]
    [MemberData(nameof(Hints))]
    public void Hint_WithoutItsFeature_DoesNothing(byte[] code)
    {
        using SystemMachine machine = new(GuestMode.Long, 0);
        machine.State.Gprs[Gpr.Rax] = NoAddress;

        machine.Start(a => a.db(code));

        machine.AssertNoEvent();
        Assert.Equal(NoAddress, machine.State.Gprs[Gpr.Rax]);
    }
}
