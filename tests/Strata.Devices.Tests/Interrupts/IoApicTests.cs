using Strata.Core.Bus;
using Strata.Devices.Interrupts;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Interrupts;

/// <summary>
/// Intel 82093AA data sheet (290566), "Register Description"; message format: Intel SDM Vol. 3A, "Message Signalled Interrupts".
/// </summary>
public sealed class IoApicTests
{
    private const uint Masked = 1 << 16;
    private const uint Level = 1 << 15;
    private const uint RemoteIrr = 1 << 14;
    private const uint Logical = 1 << 11;

    private readonly RecordingSink _bus = new();
    private readonly IoApic _apic;

    public IoApicTests() => _apic = new IoApic(_bus);

    [Fact]
    public void Reset_Registers_ShowTwentyFourMaskedPins()
    {
        Assert.Equal(0x17U, (Read(1) >> 16) & 0xFF);
        Assert.All(Enumerable.Range(0, 24), pin => Assert.Equal(Masked, Read(0x10 + (pin * 2))));
    }

    [Fact]
    public void Id_Write_KeepsFourBitsAndShowsInArbitration()
    {
        Write(0, 0xFFFF_FFFF);

        Assert.Equal(0x0F00_0000U, Read(0));
        Assert.Equal(0x0F00_0000U, Read(2));
    }

    [Fact]
    public void Select_Register_ReadsBackEightBits()
    {
        _apic.WriteMmio(0, AccessWidth.Dword, 0xABCD_EF12);

        Assert.Equal(0x12UL, _apic.ReadMmio(0, AccessWidth.Dword));
    }

    [Fact]
    public void Entry_Write_KeepsReadOnlyAndReservedBitsClear()
    {
        Write(0x10, 0xFFFF_FFFF);
        Write(0x11, 0xFFFF_FFFF);

        Assert.Equal(0x0001_AFFFU, Read(0x10));
        Assert.Equal(0xFF00_0000U, Read(0x11));
    }

    [Fact]
    public void Registers_OutOfRange_ReadZeroAndIgnoreWrites()
    {
        for (int index = 3; index < 256; index++)
        {
            if (index is < 0x10 or >= 0x40)
            {
                Write(index, 0xFFFF_FFFF);
                Assert.Equal(0U, Read(index));
            }
        }
    }

    [Fact]
    public void Edge_Unmasked_SendsOneMessageARise()
    {
        Program(4, 0x31, destination: 2);

        _apic.SetPin(4, true);
        _apic.SetPin(4, true);
        _apic.SetPin(4, false);
        _apic.SetPin(4, true);

        Assert.Equal([(0xFEE0_2000UL, 0x31U), (0xFEE0_2000UL, 0x31U)], _bus.Messages);
        Assert.Equal(0U, Read(0x18) & RemoteIrr);
    }

    [Fact]
    public void Edge_Masked_IsLost()
    {
        Program(4, 0x31 | Masked);
        _apic.SetPin(4, true);

        Program(4, 0x31);

        Assert.Empty(_bus.Messages);
    }

    [Fact]
    public void Level_HeldHigh_SendsOnceUntilEoi()
    {
        Program(10, 0x52 | Level);

        _apic.SetPin(10, true);
        Assert.Equal([(0xFEE0_0000UL, 0xC052U)], _bus.Messages);
        Assert.Equal(RemoteIrr, Read(0x10 + 20) & RemoteIrr);

        _apic.EndOfInterrupt(0x52);
        Assert.Equal(2, _bus.Messages.Count);

        _apic.SetPin(10, false);
        _apic.EndOfInterrupt(0x52);
        Assert.Equal(2, _bus.Messages.Count);
        Assert.Equal(0U, Read(0x10 + 20) & RemoteIrr);
    }

    [Fact]
    public void Level_EoiOfAnotherVector_ChangesNothing()
    {
        Program(10, 0x52 | Level);
        _apic.SetPin(10, true);

        _apic.EndOfInterrupt(0x53);

        Assert.Single(_bus.Messages);
        Assert.Equal(RemoteIrr, Read(0x10 + 20) & RemoteIrr);
    }

    [Fact]
    public void Level_TwoPinsOneVector_BothAreServedByEoi()
    {
        Program(10, 0x52 | Level);
        Program(11, 0x52 | Level, destination: 1);
        _apic.SetPin(10, true);
        _apic.SetPin(11, true);

        _apic.EndOfInterrupt(0x52);

        Assert.Equal(4, _bus.Messages.Count);
    }

    [Fact]
    public void Level_MaskedWhileHigh_SendsWhenUnmasked()
    {
        Program(10, 0x52 | Level | Masked);
        _apic.SetPin(10, true);
        Assert.Empty(_bus.Messages);

        Program(10, 0x52 | Level);

        Assert.Single(_bus.Messages);
    }

    [Fact]
    public void Level_RemoteIrrSet_UnmaskingDoesNotSendAgain()
    {
        Program(10, 0x52 | Level);
        _apic.SetPin(10, true);

        Program(10, 0x52 | Level | Masked);
        Program(10, 0x52 | Level);

        Assert.Single(_bus.Messages);
    }

    [Fact]
    public void Level_MaskedAtEoi_SendsNothingUntilUnmasked()
    {
        Program(10, 0x52 | Level);
        _apic.SetPin(10, true);
        Program(10, 0x52 | Level | Masked);

        _apic.EndOfInterrupt(0x52);
        Assert.Single(_bus.Messages);

        Program(10, 0x52 | Level);
        Assert.Equal(2, _bus.Messages.Count);
    }

    [Fact]
    public void Trigger_SwitchedToEdge_ClearsRemoteIrr()
    {
        Program(10, 0x52 | Level);
        _apic.SetPin(10, true);

        Program(10, 0x52 | Masked);

        Assert.Equal(0U, Read(0x10 + 20) & RemoteIrr);
    }

    /// <summary>Versions from 0x20 on have an EOI register at offset 0x40; this chip says that it is one.</summary>
    [Fact]
    public void EoiRegister_Vector_EndsTheInterrupt()
    {
        Assert.True((Read(1) & 0xFF) >= 0x20);
        Program(10, 0x52 | Level);
        _apic.SetPin(10, true);
        _apic.SetPin(10, false);

        _apic.WriteMmio(0x40, AccessWidth.Dword, 0x52);

        Assert.Equal(0U, Read(0x10 + 20) & RemoteIrr);
    }

    [Theory]
    [InlineData(0U)]
    [InlineData(1U)]
    [InlineData(2U)]
    [InlineData(4U)]
    [InlineData(5U)]
    [InlineData(7U)]
    public void Send_DeliveryMode_IsInTheMessage(uint mode)
    {
        Program(0, 0x40 | (mode << 8) | Logical, destination: 0xA5);

        _apic.SetPin(0, true);

        Assert.Equal((0xFEEA_5004UL, 0x40U | (mode << 8)), Assert.Single(_bus.Messages));
    }

    [Fact]
    public void Isa_LineZero_ReachesPinTwo()
    {
        RecordingSink pic = new();
        RecordingSink ioApic = new();
        IsaInterrupts isa = new(pic, ioApic);

        isa.SetPin(0, true);
        isa.Line(9).Set(true);
        isa.SetPin(17, true);

        Assert.Equal([(0, true), (9, true)], pic.Levels);
        Assert.Equal([(2, true), (9, true), (17, true)], ioApic.Levels);
    }

    [Fact]
    public void Registers_RandomAccess_NeverThrows()
    {
        Random random = new(82093);
        for (int i = 0; i < 200_000; i++)
        {
            ulong offset = (ulong)random.Next(0x1000);
            _apic.WriteMmio(offset, AccessWidth.Dword, (ulong)random.NextInt64());
            _apic.ReadMmio(offset, AccessWidth.Byte);
            _apic.WriteMmio((offset & 1) << 4, AccessWidth.Dword, (ulong)random.NextInt64());
            _apic.SetPin(random.Next(24), (offset & 2) != 0);
            _apic.EndOfInterrupt((byte)offset);
            _bus.Messages.Clear();
        }

        Assert.Equal(0x17U, (Read(1) >> 16) & 0xFF);
    }

    private void Program(int pin, uint low, uint destination = 0)
    {
        Write(0x11 + (pin * 2), destination << 24);
        Write(0x10 + (pin * 2), low);
    }

    private uint Read(int register)
    {
        _apic.WriteMmio(0, AccessWidth.Dword, (ulong)register);
        return (uint)_apic.ReadMmio(0x10, AccessWidth.Dword);
    }

    private void Write(int register, uint value)
    {
        _apic.WriteMmio(0, AccessWidth.Dword, (ulong)register);
        _apic.WriteMmio(0x10, AccessWidth.Dword, value);
    }
}
