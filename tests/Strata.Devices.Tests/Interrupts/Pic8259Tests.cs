using Strata.Devices.Interrupts;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Interrupts;

/// <summary>Expected behaviour: Intel 8259A data sheet (231468), "Operation Command Words" and the sections behind it.</summary>
public sealed class Pic8259Tests
{
    private const int Eoi = 0x20;

    private readonly List<bool> _output = [];
    private readonly Pic8259 _pic;

    public Pic8259Tests()
    {
        _pic = new Pic8259(_output.Add);
        Initialise();
    }

    [Fact]
    public void Initialise_MasksReset_ReadsZeroAndSelectsIrr()
    {
        _pic.Master.Out(1, 0xFF);
        _pic.Master.Out(0, 0x0B);

        Initialise();

        Assert.Equal(0, _pic.Master.In(1));
        _pic.SetPin(3, true);
        Assert.Equal(0x08, _pic.Master.In(0));
    }

    [Fact]
    public void Initialise_VectorBase_IgnoresLowThreeBits()
    {
        Initialise(masterBase: 0x37);
        _pic.SetPin(1, true);

        Assert.Equal(0x31, _pic.Acknowledge());
    }

    [Fact]
    public void Initialise_SingleWithoutIcw4_TakesTwoWordsOnly()
    {
        _pic.Master.Out(0, 0x12);
        _pic.Master.Out(1, 0x40);
        _pic.Master.Out(1, 0xA5);

        Assert.Equal(0xA5, _pic.Master.In(1));
    }

    [Fact]
    public void Initialise_LineAlreadyHigh_NeedsANewEdge()
    {
        _pic.SetPin(4, true);

        Initialise();
        Assert.False(_pic.IsInterruptPending);

        _pic.SetPin(4, false);
        _pic.SetPin(4, true);
        Assert.Equal(0x24, _pic.Acknowledge());
    }

    [Fact]
    public void Mask_Register_ReadsBackAndHidesRequests()
    {
        _pic.Master.Out(1, 0xFB);
        _pic.SetPin(3, true);

        Assert.Equal(0xFB, _pic.Master.In(1));
        Assert.False(_pic.IsInterruptPending);
        _pic.Master.Out(1, 0xF3);
        Assert.True(_pic.IsInterruptPending);
        Assert.Equal([true], _output);
    }

    [Fact]
    public void Acknowledge_TwoRequests_LowerPinFirst()
    {
        _pic.SetPin(5, true);
        _pic.SetPin(1, true);

        Assert.Equal(0x21, _pic.Acknowledge());
        Assert.False(_pic.IsInterruptPending);
        _pic.Master.Out(0, Eoi);
        Assert.Equal(0x25, _pic.Acknowledge());
    }

    [Fact]
    public void Request_HigherPriorityThanService_Interrupts()
    {
        _pic.SetPin(5, true);
        _pic.Acknowledge();

        _pic.SetPin(6, true);
        Assert.False(_pic.IsInterruptPending);
        _pic.SetPin(3, true);
        Assert.True(_pic.IsInterruptPending);
    }

    [Fact]
    public void Registers_RequestThenService_ShowTheInterruptMove()
    {
        _pic.SetPin(3, true);
        Assert.Equal((0x08, 0x00), Registers());

        _pic.Acknowledge();
        Assert.Equal((0x00, 0x08), Registers());

        _pic.Master.Out(0, Eoi);
        Assert.Equal((0x00, 0x00), Registers());
    }

    [Fact]
    public void Edge_HeldHigh_InterruptsOnce()
    {
        _pic.SetPin(3, true);
        _pic.Acknowledge();
        _pic.Master.Out(0, Eoi);

        Assert.False(_pic.IsInterruptPending);
        _pic.SetPin(3, true);
        Assert.False(_pic.IsInterruptPending);
        _pic.SetPin(3, false);
        _pic.SetPin(3, true);
        Assert.True(_pic.IsInterruptPending);
    }

    [Fact]
    public void Acknowledge_RequestGone_IsSpuriousSevenWithoutService()
    {
        _pic.SetPin(3, true);
        _pic.SetPin(3, false);

        Assert.False(_pic.IsInterruptPending);
        Assert.Equal(0x27, _pic.Acknowledge());
        Assert.Equal((0, 0), Registers());
    }

    [Fact]
    public void Cascade_SlaveRequest_GoesThroughPinTwo()
    {
        _pic.SetPin(12, true);
        Assert.Equal(0x04, _pic.Master.In(0));

        Assert.Equal(0x2C, _pic.Acknowledge());

        Assert.Equal(0x04, Registers().Service);
        _pic.Slave.Out(0, 0x0B);
        Assert.Equal(0x10, _pic.Slave.In(0));
        _pic.SetPin(3, true);
        Assert.False(_pic.IsInterruptPending);
        _pic.SetPin(1, true);
        Assert.True(_pic.IsInterruptPending);
    }

    [Fact]
    public void Cascade_HigherSlaveRequestInService_WaitsForTheMastersEoi()
    {
        _pic.SetPin(12, true);
        _pic.Acknowledge();
        _pic.SetPin(9, true);
        Assert.False(_pic.IsInterruptPending);

        _pic.Slave.Out(0, Eoi);
        _pic.Master.Out(0, Eoi);

        Assert.Equal(0x29, _pic.Acknowledge());
    }

    [Fact]
    public void Cascade_LowerSlaveRequestInService_FollowsAfterBothEois()
    {
        _pic.SetPin(9, true);
        _pic.SetPin(12, true);
        Assert.Equal(0x29, _pic.Acknowledge());

        _pic.Master.Out(0, Eoi);
        Assert.False(_pic.IsInterruptPending);
        _pic.Slave.Out(0, Eoi);

        Assert.Equal(0x2C, _pic.Acknowledge());
    }

    [Fact]
    public void Cascade_SlaveAutoEoiAndTwoRequests_DeliversBoth()
    {
        Initialise(slaveIcw4: 3);
        _pic.SetPin(9, true);
        _pic.SetPin(12, true);
        Assert.Equal(0x29, _pic.Acknowledge());

        _pic.Master.Out(0, Eoi);

        Assert.True(_pic.IsInterruptPending);
        Assert.Equal(0x2C, _pic.Acknowledge());
    }

    [Fact]
    public void Cascade_SlaveMasked_DoesNotReachTheMaster()
    {
        _pic.Slave.Out(1, 0xFF);
        _pic.SetPin(8, true);

        Assert.Equal(0, _pic.Master.In(0));
        _pic.Slave.Out(1, 0xFE);
        Assert.Equal(0x28, _pic.Acknowledge());
    }

    [Fact]
    public void AutoEoi_Acknowledge_LeavesNothingInService()
    {
        Initialise(masterIcw4: 3);
        _pic.SetPin(3, true);

        _pic.Acknowledge();

        Assert.Equal((0, 0), Registers());
        _pic.SetPin(6, true);
        Assert.True(_pic.IsInterruptPending);
    }

    [Fact]
    public void RotateInAutoEoi_Set_MakesTheServedPinLowest()
    {
        Initialise(masterIcw4: 3);
        _pic.Master.Out(0, 0x80);
        _pic.SetPin(3, true);
        _pic.Acknowledge();
        _pic.SetPin(3, false);

        _pic.SetPin(3, true);
        _pic.SetPin(5, true);

        Assert.Equal(0x25, _pic.Acknowledge());
        Assert.Equal(0x23, _pic.Acknowledge());
    }

    [Fact]
    public void RotateInAutoEoi_Cleared_KeepsPriorities()
    {
        Initialise(masterIcw4: 3);
        _pic.Master.Out(0, 0x80);
        _pic.Master.Out(0, 0x00);
        _pic.SetPin(3, true);
        _pic.Acknowledge();
        _pic.SetPin(3, false);

        _pic.SetPin(3, true);
        _pic.SetPin(5, true);

        Assert.Equal(0x23, _pic.Acknowledge());
    }

    [Fact]
    public void NonSpecificEoi_NestedService_EndsTheHighest()
    {
        _pic.SetPin(5, true);
        _pic.Acknowledge();
        _pic.SetPin(1, true);
        _pic.Acknowledge();
        Assert.Equal(0x22, Registers().Service);

        _pic.Master.Out(0, Eoi);

        Assert.Equal(0x20, Registers().Service);
    }

    [Fact]
    public void SpecificEoi_NestedService_EndsTheNamedOne()
    {
        _pic.SetPin(5, true);
        _pic.Acknowledge();
        _pic.SetPin(1, true);
        _pic.Acknowledge();

        _pic.Master.Out(0, 0x65);

        Assert.Equal(0x02, Registers().Service);
    }

    [Fact]
    public void NonSpecificEoi_NothingInService_IsHarmless()
    {
        _pic.Master.Out(0, Eoi);
        _pic.Master.Out(0, 0xA0);
        _pic.SetPin(7, true);
        _pic.SetPin(0, true);

        Assert.Equal(0x20, _pic.Acknowledge());
    }

    [Fact]
    public void RotateOnNonSpecificEoi_ServedPin_BecomesLowest()
    {
        _pic.SetPin(4, true);
        _pic.Acknowledge();
        _pic.Master.Out(0, 0xA0);
        _pic.SetPin(4, false);

        foreach (int pin in (int[])[4, 0, 5])
        {
            _pic.SetPin(pin, true);
        }

        Assert.Equal(0x25, AcknowledgeAndEnd());
        Assert.Equal(0x20, AcknowledgeAndEnd());
        Assert.Equal(0x24, AcknowledgeAndEnd());
    }

    [Fact]
    public void RotateOnSpecificEoi_NamedPin_EndsAndBecomesLowest()
    {
        _pic.SetPin(2 + 4, true);
        _pic.Acknowledge();

        _pic.Master.Out(0, 0xE6);

        Assert.Equal(0, Registers().Service);
        _pic.SetPin(5, true);
        _pic.SetPin(7, true);
        Assert.Equal(0x27, _pic.Acknowledge());
    }

    [Fact]
    public void SetPriority_Command_MakesTheNextPinHighest()
    {
        _pic.Master.Out(0, 0xC3);
        _pic.SetPin(3, true);
        _pic.SetPin(0, true);
        _pic.SetPin(4, true);

        Assert.Equal(0x24, AcknowledgeAndEnd());
        Assert.Equal(0x20, AcknowledgeAndEnd());
        Assert.Equal(0x23, AcknowledgeAndEnd());
    }

    [Fact]
    public void SpecialMask_MaskedService_LetsLowerPrioritiesThrough()
    {
        _pic.SetPin(1, true);
        _pic.Acknowledge();
        _pic.SetPin(6, true);
        Assert.False(_pic.IsInterruptPending);

        _pic.Master.Out(1, 0x02);
        _pic.Master.Out(0, 0x68);
        Assert.True(_pic.IsInterruptPending);

        _pic.Master.Out(0, 0x48);
        Assert.False(_pic.IsInterruptPending);
    }

    /// <summary>"An IS bit that is masked by an IMR bit will not be cleared by a non-specific EOI if the 8259A is in the Special Mask Mode."</summary>
    [Fact]
    public void SpecialMask_NonSpecificEoi_SparesMaskedService()
    {
        _pic.SetPin(1, true);
        _pic.Acknowledge();
        _pic.Master.Out(1, 0x02);
        _pic.Master.Out(0, 0x68);
        _pic.SetPin(6, true);
        _pic.Acknowledge();

        _pic.Master.Out(0, Eoi);

        Assert.Equal(0x02, Registers().Service);
    }

    [Fact]
    public void Poll_Request_ReturnsPinAndTakesItIntoService()
    {
        _pic.SetPin(5, true);

        _pic.Master.Out(0, 0x0C);

        Assert.Equal(0x85, _pic.Master.In(0));
        Assert.Equal((0x00, 0x20), Registers());
        Assert.False(_pic.IsInterruptPending);
    }

    [Fact]
    public void Poll_NoRequest_ReturnsBitSevenClearOnce()
    {
        _pic.Master.Out(1, 0x55);
        _pic.Master.Out(0, 0x0C);

        Assert.Equal(0, _pic.Master.In(1) & 0x80);
        Assert.Equal(0x55, _pic.Master.In(1));
    }

    [Fact]
    public void EdgeLevel_Registers_KeepSystemPinsEdgeTriggered()
    {
        _pic.EdgeLevel.Out(0, 0xFF);
        _pic.EdgeLevel.Out(1, 0xFF);

        Assert.Equal(0xF8, _pic.EdgeLevel.In(0));
        Assert.Equal(0xDE, _pic.EdgeLevel.In(1));
    }

    [Fact]
    public void Level_HeldHigh_InterruptsAgainAfterEoi()
    {
        _pic.EdgeLevel.Out(1, 0x04);
        _pic.SetPin(10, true);
        Assert.Equal(0x2A, _pic.Acknowledge());

        _pic.Slave.Out(0, Eoi);
        _pic.Master.Out(0, Eoi);
        Assert.True(_pic.IsInterruptPending);

        _pic.SetPin(10, false);
        Assert.False(_pic.IsInterruptPending);
    }

    [Fact]
    public void Level_LineHighWhenSelected_IsRequested()
    {
        _pic.SetPin(5, true);
        Assert.Equal(0x25, AcknowledgeAndEnd());
        Assert.False(_pic.IsInterruptPending);

        _pic.EdgeLevel.Out(0, 0x20);

        Assert.True(_pic.IsInterruptPending);
    }

    [Fact]
    public void Output_Changes_AreReportedOnce()
    {
        _pic.SetPin(1, true);
        _pic.SetPin(3, true);
        _pic.Acknowledge();
        _pic.Master.Out(0, Eoi);

        Assert.Equal([true, false, true], _output);
    }

    [Fact]
    public void Ports_RandomWrites_NeverThrow()
    {
        Random random = new(8259);
        for (int i = 0; i < 200_000; i++)
        {
            int value = random.Next(0x10000);
            switch (random.Next(6))
            {
                case 0:
                    _pic.Master.Out(value & 1, value >> 1);
                    break;
                case 1:
                    _pic.Slave.Out(value & 1, value >> 1);
                    break;
                case 2:
                    _pic.EdgeLevel.Out(value & 1, value >> 1);
                    break;
                case 3:
                    _pic.SetPin(value & 15, (value & 16) != 0);
                    break;
                case 4:
                    _ = _pic.Master.In(value & 1) + _pic.Slave.In(value & 1);
                    break;
                default:
                    _pic.Acknowledge();
                    break;
            }
        }

        Initialise();
        _pic.SetPin(1, false);
        _pic.SetPin(1, true);
        Assert.Equal(0x21, _pic.Acknowledge());
    }

    private void Initialise(int masterBase = 0x20, int masterIcw4 = 1, int slaveIcw4 = 1)
    {
        _pic.Master.Out(0, 0x11);
        _pic.Master.Out(1, masterBase);
        _pic.Master.Out(1, 4);
        _pic.Master.Out(1, masterIcw4);
        _pic.Slave.Out(0, 0x11);
        _pic.Slave.Out(1, 0x28);
        _pic.Slave.Out(1, 2);
        _pic.Slave.Out(1, slaveIcw4);
    }

    private byte AcknowledgeAndEnd()
    {
        byte vector = _pic.Acknowledge();
        _pic.Master.Out(0, 0x60 | (vector & 7));
        return vector;
    }

    private (int Request, int Service) Registers()
    {
        _pic.Master.Out(0, 0x0A);
        int request = _pic.Master.In(0);
        _pic.Master.Out(0, 0x0B);
        return (request, _pic.Master.In(0));
    }
}
