using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Interrupts;

/// <summary>End of interrupt, rotation and the special mask: Intel 8259A data sheet (231468), "Operation Command Words".</summary>
public sealed class Pic8259EndOfInterruptTests : Pic8259Driver
{
    [Fact]
    public void AutoEoi_Acknowledge_LeavesNothingInService()
    {
        Initialise(masterIcw4: 3);
        Pic.SetPin(3, true);

        Pic.Acknowledge();

        Assert.Equal((0, 0), Registers());
        Pic.SetPin(6, true);
        Assert.True(Pic.IsInterruptPending);
    }

    [Fact]
    public void RotateInAutoEoi_Set_MakesTheServedPinLowest()
    {
        Initialise(masterIcw4: 3);
        Pic.Master.Out(0, 0x80);
        Pic.SetPin(3, true);
        Pic.Acknowledge();
        Pic.SetPin(3, false);

        Pic.SetPin(3, true);
        Pic.SetPin(5, true);

        Assert.Equal(0x25, Pic.Acknowledge());
        Assert.Equal(0x23, Pic.Acknowledge());
    }

    [Fact]
    public void RotateInAutoEoi_Cleared_KeepsPriorities()
    {
        Initialise(masterIcw4: 3);
        Pic.Master.Out(0, 0x80);
        Pic.Master.Out(0, 0x00);
        Pic.SetPin(3, true);
        Pic.Acknowledge();
        Pic.SetPin(3, false);

        Pic.SetPin(3, true);
        Pic.SetPin(5, true);

        Assert.Equal(0x23, Pic.Acknowledge());
    }

    [Fact]
    public void NonSpecificEoi_NestedService_EndsTheHighest()
    {
        Pic.SetPin(5, true);
        Pic.Acknowledge();
        Pic.SetPin(1, true);
        Pic.Acknowledge();
        Assert.Equal(0x22, Registers().Service);

        Pic.Master.Out(0, Eoi);

        Assert.Equal(0x20, Registers().Service);
    }

    [Fact]
    public void SpecificEoi_NestedService_EndsTheNamedOne()
    {
        Pic.SetPin(5, true);
        Pic.Acknowledge();
        Pic.SetPin(1, true);
        Pic.Acknowledge();

        Pic.Master.Out(0, 0x65);

        Assert.Equal(0x02, Registers().Service);
    }

    [Fact]
    public void NonSpecificEoi_NothingInService_IsHarmless()
    {
        Pic.Master.Out(0, Eoi);
        Pic.Master.Out(0, 0xA0);
        Pic.SetPin(7, true);
        Pic.SetPin(0, true);

        Assert.Equal(0x20, Pic.Acknowledge());
    }

    [Fact]
    public void RotateOnNonSpecificEoi_ServedPin_BecomesLowest()
    {
        Pic.SetPin(4, true);
        Pic.Acknowledge();
        Pic.Master.Out(0, 0xA0);
        Pic.SetPin(4, false);

        foreach (int pin in (int[])[4, 0, 5])
        {
            Pic.SetPin(pin, true);
        }

        Assert.Equal(0x25, AcknowledgeAndEnd());
        Assert.Equal(0x20, AcknowledgeAndEnd());
        Assert.Equal(0x24, AcknowledgeAndEnd());
    }

    [Fact]
    public void RotateOnSpecificEoi_NamedPin_EndsAndBecomesLowest()
    {
        Pic.SetPin(2 + 4, true);
        Pic.Acknowledge();

        Pic.Master.Out(0, 0xE6);

        Assert.Equal(0, Registers().Service);
        Pic.SetPin(5, true);
        Pic.SetPin(7, true);
        Assert.Equal(0x27, Pic.Acknowledge());
    }

    [Fact]
    public void SetPriority_Command_MakesTheNextPinHighest()
    {
        Pic.Master.Out(0, 0xC3);
        Pic.SetPin(3, true);
        Pic.SetPin(0, true);
        Pic.SetPin(4, true);

        Assert.Equal(0x24, AcknowledgeAndEnd());
        Assert.Equal(0x20, AcknowledgeAndEnd());
        Assert.Equal(0x23, AcknowledgeAndEnd());
    }

    [Fact]
    public void SpecialMask_MaskedService_LetsLowerPrioritiesThrough()
    {
        Pic.SetPin(1, true);
        Pic.Acknowledge();
        Pic.SetPin(6, true);
        Assert.False(Pic.IsInterruptPending);

        Pic.Master.Out(1, 0x02);
        Pic.Master.Out(0, 0x68);
        Assert.True(Pic.IsInterruptPending);

        Pic.Master.Out(0, 0x48);
        Assert.False(Pic.IsInterruptPending);
    }

    /// <summary>
    /// "An IS bit that is masked by an IMR bit will not be cleared by a non-specific EOI if the 8259A is in the Special Mask Mode."
    /// </summary>
    [Fact]
    public void SpecialMask_NonSpecificEoi_SparesMaskedService()
    {
        Pic.SetPin(1, true);
        Pic.Acknowledge();
        Pic.Master.Out(1, 0x02);
        Pic.Master.Out(0, 0x68);
        Pic.SetPin(6, true);
        Pic.Acknowledge();

        Pic.Master.Out(0, Eoi);

        Assert.Equal(0x02, Registers().Service);
    }
}
