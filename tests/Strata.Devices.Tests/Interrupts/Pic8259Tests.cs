using Strata.Devices.Interrupts;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Interrupts;

/// <summary>Expected behaviour: Intel 8259A data sheet (231468), "Programming the 8259A".</summary>
public sealed class Pic8259Tests : Pic8259Driver
{
    [Fact]
    public void Initialise_MasksReset_ReadsZeroAndSelectsIrr()
    {
        Pic.Master.Out(1, 0xFF);
        Pic.Master.Out(0, 0x0B);

        Initialise();

        Assert.Equal(0, Pic.Master.In(1));
        Pic.SetPin(3, true);
        Assert.Equal(0x08, Pic.Master.In(0));
    }

    [Fact]
    public void Initialise_VectorBase_IgnoresLowThreeBits()
    {
        Initialise(masterBase: 0x37);
        Pic.SetPin(1, true);

        Assert.Equal(0x31, Pic.Acknowledge());
    }

    [Fact]
    public void Initialise_SingleWithoutIcw4_TakesTwoWordsOnly()
    {
        Pic.Master.Out(0, 0x12);
        Pic.Master.Out(1, 0x40);
        Pic.Master.Out(1, 0xA5);

        Assert.Equal(0xA5, Pic.Master.In(1));
    }

    [Fact]
    public void Initialise_LineAlreadyHigh_NeedsANewEdge()
    {
        Pic.SetPin(4, true);

        Initialise();
        Assert.False(Pic.IsInterruptPending);

        Pic.SetPin(4, false);
        Pic.SetPin(4, true);
        Assert.Equal(0x24, Pic.Acknowledge());
    }

    [Fact]
    public void Mask_Register_ReadsBackAndHidesRequests()
    {
        Pic.Master.Out(1, 0xFB);
        Pic.SetPin(3, true);

        Assert.Equal(0xFB, Pic.Master.In(1));
        Assert.False(Pic.IsInterruptPending);
        Pic.Master.Out(1, 0xF3);
        Assert.True(Pic.IsInterruptPending);
        Assert.Equal([true], Output);
    }

    [Fact]
    public void Acknowledge_TwoRequests_LowerPinFirst()
    {
        Pic.SetPin(5, true);
        Pic.SetPin(1, true);

        Assert.Equal(0x21, Pic.Acknowledge());
        Assert.False(Pic.IsInterruptPending);
        Pic.Master.Out(0, Eoi);
        Assert.Equal(0x25, Pic.Acknowledge());
    }

    [Fact]
    public void Request_HigherPriorityThanService_Interrupts()
    {
        Pic.SetPin(5, true);
        Pic.Acknowledge();

        Pic.SetPin(6, true);
        Assert.False(Pic.IsInterruptPending);
        Pic.SetPin(3, true);
        Assert.True(Pic.IsInterruptPending);
    }

    [Fact]
    public void Registers_RequestThenService_ShowTheInterruptMove()
    {
        Pic.SetPin(3, true);
        Assert.Equal((0x08, 0x00), Registers());

        Pic.Acknowledge();
        Assert.Equal((0x00, 0x08), Registers());

        Pic.Master.Out(0, Eoi);
        Assert.Equal((0x00, 0x00), Registers());
    }

    [Fact]
    public void Edge_HeldHigh_InterruptsOnce()
    {
        Pic.SetPin(3, true);
        Pic.Acknowledge();
        Pic.Master.Out(0, Eoi);

        Assert.False(Pic.IsInterruptPending);
        Pic.SetPin(3, true);
        Assert.False(Pic.IsInterruptPending);
        Pic.SetPin(3, false);
        Pic.SetPin(3, true);
        Assert.True(Pic.IsInterruptPending);
    }

    [Fact]
    public void Acknowledge_RequestGone_IsSpuriousSevenWithoutService()
    {
        Pic.SetPin(3, true);
        Pic.SetPin(3, false);

        Assert.False(Pic.IsInterruptPending);
        Assert.Equal(0x27, Pic.Acknowledge());
        Assert.Equal((0, 0), Registers());
    }

    [Fact]
    public void Cascade_SlaveRequest_GoesThroughPinTwo()
    {
        Pic.SetPin(12, true);
        Assert.Equal(0x04, Pic.Master.In(0));

        Assert.Equal(0x2C, Pic.Acknowledge());

        Assert.Equal(0x04, Registers().Service);
        Pic.Slave.Out(0, 0x0B);
        Assert.Equal(0x10, Pic.Slave.In(0));
        Pic.SetPin(3, true);
        Assert.False(Pic.IsInterruptPending);
        Pic.SetPin(1, true);
        Assert.True(Pic.IsInterruptPending);
    }

    [Fact]
    public void Cascade_HigherSlaveRequestInService_WaitsForTheMastersEoi()
    {
        Pic.SetPin(12, true);
        Pic.Acknowledge();
        Pic.SetPin(9, true);
        Assert.False(Pic.IsInterruptPending);

        Pic.Slave.Out(0, Eoi);
        Pic.Master.Out(0, Eoi);

        Assert.Equal(0x29, Pic.Acknowledge());
    }

    [Fact]
    public void Cascade_LowerSlaveRequestInService_FollowsAfterBothEois()
    {
        Pic.SetPin(9, true);
        Pic.SetPin(12, true);
        Assert.Equal(0x29, Pic.Acknowledge());

        Pic.Master.Out(0, Eoi);
        Assert.False(Pic.IsInterruptPending);
        Pic.Slave.Out(0, Eoi);

        Assert.Equal(0x2C, Pic.Acknowledge());
    }

    [Fact]
    public void Cascade_SlaveAutoEoiAndTwoRequests_DeliversBoth()
    {
        Initialise(slaveIcw4: 3);
        Pic.SetPin(9, true);
        Pic.SetPin(12, true);
        Assert.Equal(0x29, Pic.Acknowledge());

        Pic.Master.Out(0, Eoi);

        Assert.True(Pic.IsInterruptPending);
        Assert.Equal(0x2C, Pic.Acknowledge());
    }

    [Fact]
    public void Cascade_SlaveMasked_DoesNotReachTheMaster()
    {
        Pic.Slave.Out(1, 0xFF);
        Pic.SetPin(8, true);

        Assert.Equal(0, Pic.Master.In(0));
        Pic.Slave.Out(1, 0xFE);
        Assert.Equal(0x28, Pic.Acknowledge());
    }

    [Fact]
    public void Poll_Request_ReturnsPinAndTakesItIntoService()
    {
        Pic.SetPin(5, true);

        Pic.Master.Out(0, 0x0C);

        Assert.Equal(0x85, Pic.Master.In(0));
        Assert.Equal((0x00, 0x20), Registers());
        Assert.False(Pic.IsInterruptPending);
    }

    [Fact]
    public void Poll_NoRequest_ReturnsBitSevenClearOnce()
    {
        Pic.Master.Out(1, 0x55);
        Pic.Master.Out(0, 0x0C);

        Assert.Equal(0, Pic.Master.In(1) & 0x80);
        Assert.Equal(0x55, Pic.Master.In(1));
    }

    [Fact]
    public void EdgeLevel_Registers_KeepSystemPinsEdgeTriggered()
    {
        Pic.EdgeLevel.Out(0, 0xFF);
        Pic.EdgeLevel.Out(1, 0xFF);

        Assert.Equal(0xF8, Pic.EdgeLevel.In(0));
        Assert.Equal(0xDE, Pic.EdgeLevel.In(1));
    }

    [Fact]
    public void Level_HeldHigh_InterruptsAgainAfterEoi()
    {
        Pic.EdgeLevel.Out(1, 0x04);
        Pic.SetPin(10, true);
        Assert.Equal(0x2A, Pic.Acknowledge());

        Pic.Slave.Out(0, Eoi);
        Pic.Master.Out(0, Eoi);
        Assert.True(Pic.IsInterruptPending);

        Pic.SetPin(10, false);
        Assert.False(Pic.IsInterruptPending);
    }

    [Fact]
    public void Level_LineHighWhenSelected_IsRequested()
    {
        Pic.SetPin(5, true);
        Assert.Equal(0x25, AcknowledgeAndEnd());
        Assert.False(Pic.IsInterruptPending);

        Pic.EdgeLevel.Out(0, 0x20);

        Assert.True(Pic.IsInterruptPending);
    }

    [Fact]
    public void Output_Changes_AreReportedOnce()
    {
        Pic.SetPin(1, true);
        Pic.SetPin(3, true);
        Pic.Acknowledge();
        Pic.Master.Out(0, Eoi);

        Assert.Equal([true, false, true], Output);
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
                    Pic.Master.Out(value & 1, value >> 1);
                    break;
                case 1:
                    Pic.Slave.Out(value & 1, value >> 1);
                    break;
                case 2:
                    Pic.EdgeLevel.Out(value & 1, value >> 1);
                    break;
                case 3:
                    Pic.SetPin(value & 15, (value & 16) != 0);
                    break;
                case 4:
                    _ = Pic.Master.In(value & 1) + Pic.Slave.In(value & 1);
                    break;
                default:
                    Pic.Acknowledge();
                    break;
            }
        }

        Initialise();
        Pic.SetPin(1, false);
        Pic.SetPin(1, true);
        Assert.Equal(0x21, Pic.Acknowledge());
    }
}
