using Strata.Core.Bus;
using Strata.X86.Apic;

namespace Strata.X86.Tests.Apic;

/// <summary>
/// Intel SDM Vol. 3A, "Local APIC Register Address Map", "Local APIC State After Power-Up or Reset", "Extended xAPIC (x2APIC)".
/// </summary>
public sealed class LocalApicRegisterTests : IDisposable
{
    private const ulong Enable = 1 << 11;
    private const ulong Extended = 1 << 10;
    private const ulong Bsp = 1 << 8;

    private readonly ApicMachine _machine = new(processors: 3);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Reset_Registers_HaveTheManualsValues()
    {
        Assert.Equal(2U << 24, _machine.Read(0x20, 2));
        Assert.Equal(5U, (_machine.Read(0x30) >> 16) & 0xFF);
        Assert.InRange(_machine.Read(0x30) & 0xFF, 0x10U, 0x15U);
        Assert.Equal(0U, _machine.Read(0x80));
        Assert.Equal(0U, _machine.Read(0xD0));
        Assert.Equal(uint.MaxValue, _machine.Read(0xE0));
        Assert.Equal(0xFFU, _machine.Read(0xF0));
        Assert.All((uint[])[0x320, 0x330, 0x340, 0x350, 0x360, 0x370], lvt => Assert.Equal(0x10000U, _machine.Read(lvt, 1)));
        Assert.Equal(0U, _machine.Read(0x380));
        Assert.Equal(0U, _machine.Read(0x3E0));
    }

    [Fact]
    public void Base_Reset_IsEnabledAndMarksTheBootProcessor()
    {
        Assert.Equal(0xFEE0_0000 | Enable | Bsp, _machine.Apics[0].BaseMsr);
        Assert.Equal(0xFEE0_0000 | Enable, _machine.Apics[1].BaseMsr);
        Assert.Equal(0xFEE0_0000UL, _machine.First.MmioPage);
    }

    [Fact]
    public void Base_Moved_MovesThePage()
    {
        Assert.True(_machine.First.TryWriteBase(0xFED0_0000 | Enable | Bsp));

        Assert.Equal(0xFED0_0000UL, _machine.First.MmioPage);
    }

    [Theory]
    [InlineData(0UL, Enable, true)]
    [InlineData(0UL, Extended, false)]
    [InlineData(0UL, Enable | Extended, false)]
    [InlineData(Enable, 0UL, true)]
    [InlineData(Enable, Enable | Extended, true)]
    [InlineData(Enable, Extended, false)]
    [InlineData(Enable | Extended, 0UL, true)]
    [InlineData(Enable | Extended, Enable, false)]
    [InlineData(Enable | Extended, Extended, false)]
    public void Base_ModeTransition_IsAllowedOrNot(ulong from, ulong to, bool allowed)
    {
        LocalApic apic = _machine.First;
        Assert.True(from == Enable || apic.TryWriteBase(0xFEE0_0000 | (from & ~Extended)));
        Assert.True((from & Extended) == 0 || apic.TryWriteBase(0xFEE0_0000 | from));

        Assert.Equal(allowed, apic.TryWriteBase(0xFEE0_0000 | to));

        Assert.Equal(0xFEE0_0000 | (allowed ? to : from), apic.BaseMsr & ~Bsp);
        Assert.Equal((apic.BaseMsr & (Enable | Extended)) == Enable ? 0xFEE0_0000 : ulong.MaxValue, apic.MmioPage);
    }

    [Theory]
    [InlineData(1UL)]
    [InlineData(0x80UL)]
    [InlineData(0x200UL)]
    [InlineData(1UL << 63)]
    public void Base_ReservedBits_AreRefused(ulong bit)
    {
        Assert.False(_machine.First.TryWriteBase(0xFEE0_0000 | Enable | Bsp | bit));
    }

    [Fact]
    public void Base_Disabled_ResetsTheRegisters()
    {
        _machine.Enable();
        _machine.Write(0x80, 0x50);
        _machine.Write(0x20, 9U << 24);
        _machine.First.TryWriteBase(0xFEE0_0000);
        _machine.First.TryWriteBase(0xFEE0_0000 | Enable);

        Assert.Equal(0U, _machine.Read(0x80));
        Assert.Equal(0U, _machine.Read(0x20));
        Assert.Equal(0xFFU, _machine.Read(0xF0));
    }

    [Theory]
    [InlineData(0x20U, 0xFF00_0000U)]
    [InlineData(0x80U, 0xFFU)]
    [InlineData(0xD0U, 0xFF00_0000U)]
    [InlineData(0xE0U, 0xFFFF_FFFFU)]
    [InlineData(0x310U, 0xFF00_0000U)]
    [InlineData(0x320U, 0x0007_00FFU)]
    [InlineData(0x330U, 0x0001_07FFU)]
    [InlineData(0x340U, 0x0001_07FFU)]
    [InlineData(0x350U, 0x0001_A7FFU)]
    [InlineData(0x360U, 0x0001_A7FFU)]
    [InlineData(0x370U, 0x0001_00FFU)]
    [InlineData(0x3E0U, 0x0000_000BU)]
    public void Mmio_AllOnes_SetsTheWritableBitsOnly(uint offset, uint expected)
    {
        _machine.Enable();

        _machine.Write(offset, uint.MaxValue);

        Assert.Equal(expected, _machine.Read(offset));
    }

    [Fact]
    public void DestinationFormat_Write_KeepsLowBitsSet()
    {
        _machine.Write(0xE0, 0);

        Assert.Equal(0x0FFF_FFFFU, _machine.Read(0xE0));
    }

    [Theory]
    [InlineData(0x30U)]
    [InlineData(0xA0U)]
    [InlineData(0x100U)]
    [InlineData(0x1F0U)]
    [InlineData(0x270U)]
    [InlineData(0x390U)]
    public void Mmio_ReadOnlyRegister_IgnoresWrites(uint offset)
    {
        uint before = _machine.Read(offset);

        _machine.Write(offset, ~before);

        Assert.Equal(before, _machine.Read(offset));
    }

    [Fact]
    public void Mmio_NarrowOrUnalignedWrite_IsIgnored()
    {
        _machine.First.WriteMmio(0x80, AccessWidth.Byte, 0x50);
        _machine.First.WriteMmio(0x84, AccessWidth.Dword, 0x50);

        Assert.Equal(0U, _machine.Read(0x80));
    }

    [Fact]
    public void SoftwareDisabled_Lvt_StaysMasked()
    {
        _machine.Enable();
        _machine.Write(0x320, 0x40);
        _machine.Write(0xF0, 0xFF);
        Assert.Equal(0x1_0040U, _machine.Read(0x320));

        _machine.Write(0x320, 0x41);

        Assert.Equal(0x1_0041U, _machine.Read(0x320));
    }

    [Fact]
    public void SoftwareDisabled_Request_IsDropped()
    {
        _machine.Request(0x40);

        _machine.Enable();
        Assert.Empty(_machine.Take());
    }

    [Theory]
    [InlineData(0x802U, true, false)]
    [InlineData(0x803U, true, false)]
    [InlineData(0x808U, true, true)]
    [InlineData(0x809U, false, false)]
    [InlineData(0x80AU, true, false)]
    [InlineData(0x80BU, false, true)]
    [InlineData(0x80DU, true, false)]
    [InlineData(0x80EU, false, false)]
    [InlineData(0x80FU, true, true)]
    [InlineData(0x810U, true, false)]
    [InlineData(0x81FU, true, false)]
    [InlineData(0x827U, true, false)]
    [InlineData(0x828U, true, true)]
    [InlineData(0x830U, true, true)]
    [InlineData(0x831U, false, false)]
    [InlineData(0x832U, true, true)]
    [InlineData(0x837U, true, true)]
    [InlineData(0x838U, true, true)]
    [InlineData(0x839U, true, false)]
    [InlineData(0x83EU, true, true)]
    [InlineData(0x83FU, false, true)]
    [InlineData(0x800U, false, false)]
    [InlineData(0x8FFU, false, false)]
    public void Msr_Access_FollowsTheX2ApicTable(uint msr, bool readable, bool writable)
    {
        _machine.EnableX2Apic();

        Assert.Equal(readable, _machine.First.TryReadMsr(msr, out _));
        Assert.Equal(writable, _machine.First.TryWriteMsr(msr, 0));
    }

    [Fact]
    public void Msr_XApicMode_IsRefused()
    {
        Assert.False(_machine.First.TryReadMsr(0x802, out _));
        Assert.False(_machine.First.TryWriteMsr(0x808, 0));
    }

    [Theory]
    [InlineData(0x808U, 0x100UL)]
    [InlineData(0x80BU, 1UL)]
    [InlineData(0x80FU, 0x2000UL)]
    [InlineData(0x828U, 1UL)]
    [InlineData(0x830U, 0x2000UL)]
    [InlineData(0x830U, 0x10_0000UL)]
    [InlineData(0x832U, 0x8_0000UL)]
    [InlineData(0x832U, 0x100UL)]
    [InlineData(0x833U, 0x8000UL)]
    [InlineData(0x835U, 0x800UL)]
    [InlineData(0x837U, 0x100UL)]
    [InlineData(0x838U, 1UL << 32)]
    [InlineData(0x83EU, 4UL)]
    [InlineData(0x83EU, 0x10UL)]
    [InlineData(0x83FU, 0x100UL)]
    [InlineData(0x808U, 1UL << 32)]
    public void Msr_ReservedBit_IsRefused(uint msr, ulong value)
    {
        _machine.EnableX2Apic();

        Assert.False(_machine.First.TryWriteMsr(msr, value));
    }

    [Fact]
    public void Msr_IdAndLogicalId_FollowTheInitialId()
    {
        using ApicMachine machine = new ApicMachine(firstId: 0x123).EnableX2Apic();

        Assert.True(machine.First.TryReadMsr(0x802, out ulong id));
        Assert.True(machine.First.TryReadMsr(0x80D, out ulong logical));

        Assert.Equal(0x123UL, id);
        Assert.Equal(0x0012_0008UL, logical);
    }

    [Fact]
    public void Msr_Command_IsOneRegisterOf64Bits()
    {
        _machine.EnableX2Apic();

        Assert.True(_machine.First.TryWriteMsr(0x830, 0x0000_0077_0000_4040));

        Assert.True(_machine.First.TryReadMsr(0x830, out ulong value));
        Assert.Equal(0x0000_0077_0000_4040UL, value);
    }

    [Fact]
    public void Mmio_RandomAccess_NeverThrows()
    {
        Random random = new(0xFEE);
        for (int i = 0; i < 100_000; i++)
        {
            int processor = random.Next(3);
            ulong offset = (ulong)random.Next(0x1000) & (random.Next(8) == 0 ? ~0UL : ~0xFUL);
            _machine.Apics[processor].WriteMmio(offset, (AccessWidth)(1 << random.Next(4)), (ulong)random.NextInt64());
            _machine.Apics[processor].ReadMmio(offset, (AccessWidth)(1 << random.Next(4)));
            _machine.Apics[processor].TryAcknowledge(out _);
            _machine.Apics[processor].TryWriteMsr(0x800 + (uint)random.Next(0x40), (ulong)random.NextInt64());
            _machine.Apics[processor].TryWriteMsr(ApicMachine.TscMsr, (ulong)random.NextInt64(long.MinValue, long.MaxValue));
            _machine.Apics[processor].TryReadMsr(0x800 + (uint)random.Next(0x40), out _);
        }

        _machine.First.Reset();
        Assert.Equal(0xFFU, _machine.Read(0xF0));
    }
}
