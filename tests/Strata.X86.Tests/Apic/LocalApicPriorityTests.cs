using Strata.Core.Interrupts;

namespace Strata.X86.Tests.Apic;

/// <summary>
/// Intel SDM Vol. 3A, "Handling Interrupts", "Interrupt, Task, and Processor Priority", "Signaling Interrupt Servicing Completion".
/// </summary>
public sealed class LocalApicPriorityTests : IDisposable
{
    private const uint TaskPriority = 0x80;
    private const uint ProcessorPriority = 0xA0;
    private const uint Eoi = 0xB0;
    private const uint ErrorStatus = 0x280;
    private const uint LvtError = 0x370;

    private readonly ApicMachine _machine = new ApicMachine().Enable();

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Acknowledge_SeveralRequests_HighestVectorFirst()
    {
        _machine.Request(0x41);
        _machine.Request(0xFE);
        _machine.Request(0x40);
        _machine.Request(0x41);

        Assert.Equal([0xFE, 0x41, 0x40], _machine.Take());
    }

    [Fact]
    public void Request_ShowsInIrrThenIsr()
    {
        _machine.Request(0x65);
        Assert.Equal((1U << 5, 0U), (_machine.Read(0x230), _machine.Read(0x130)));

        _machine.First.TryAcknowledge(out _);
        Assert.Equal((0U, 1U << 5), (_machine.Read(0x230), _machine.Read(0x130)));

        _machine.Write(Eoi, 0);
        Assert.Equal(0U, _machine.Read(0x130));
    }

    [Fact]
    public void Request_DuringService_WaitsForEoiUnlessOfAHigherClass()
    {
        _machine.Request(0x55);
        _machine.First.TryAcknowledge(out _);

        _machine.Request(0x5F);
        _machine.Request(0x55);
        Assert.False(_machine.First.HasPendingInterrupt);

        _machine.Request(0x60);
        Assert.True(_machine.First.TryAcknowledge(out byte vector));
        Assert.Equal(0x60, vector);

        _machine.Write(Eoi, 0);
        Assert.False(_machine.First.HasPendingInterrupt);
        _machine.Write(Eoi, 0);
        Assert.Equal([0x5F, 0x55], _machine.Take());
    }

    [Theory]
    [InlineData(0x00U, 0x10, true)]
    [InlineData(0x20U, 0x2F, false)]
    [InlineData(0x2FU, 0x30, true)]
    [InlineData(0x50U, 0x4F, false)]
    [InlineData(0xF0U, 0xFF, false)]
    public void TaskPriority_Class_HoldsBackItsOwnAndLower(uint priority, byte vector, bool delivered)
    {
        _machine.Write(TaskPriority, priority);
        _machine.Request(vector);

        Assert.Equal(delivered, _machine.First.HasPendingInterrupt);
        Assert.Equal(delivered, _machine.First.TryAcknowledge(out _));
    }

    [Fact]
    public void TaskPriority_Lowered_ReleasesTheRequest()
    {
        _machine.First.Cr8 = 0xF;
        _machine.Request(0x80);
        Assert.False(_machine.First.HasPendingInterrupt);

        _machine.First.Cr8 = 7;

        Assert.True(_machine.First.HasPendingInterrupt);
    }

    [Fact]
    public void Cr8_Write_IsTheUpperHalfOfTaskPriority()
    {
        _machine.First.Cr8 = 9;
        Assert.Equal(0x90U, _machine.Read(TaskPriority));

        _machine.Write(TaskPriority, 0x5A);
        Assert.Equal(5, _machine.First.Cr8);
    }

    [Theory]
    [InlineData(0x00U, 0x65, 0x60U)]
    [InlineData(0x42U, 0x65, 0x60U)]
    [InlineData(0x62U, 0x65, 0x62U)]
    [InlineData(0x73U, 0x65, 0x73U)]
    [InlineData(0x42U, 0, 0x42U)]
    public void ProcessorPriority_TaskAndService_FollowTheFormula(uint task, byte inService, uint expected)
    {
        _machine.Request(inService == 0 ? (byte)0xFF : inService);
        Assert.True(inService == 0 || _machine.First.TryAcknowledge(out _));

        _machine.Write(TaskPriority, task);

        Assert.Equal(expected, _machine.Read(ProcessorPriority));
    }

    [Fact]
    public void Eoi_EdgeVector_IsNotBroadcast()
    {
        _machine.Request(0x50);

        _machine.Take();

        Assert.Empty(_machine.EndedVectors);
    }

    [Fact]
    public void Eoi_LevelVector_IsBroadcastOnce()
    {
        _machine.Request(0x50, level: true);
        Assert.Equal(1U << 16, _machine.Read(0x1A0));

        _machine.Take();
        _machine.Write(Eoi, 0);

        Assert.Equal([0x50], _machine.EndedVectors);
    }

    [Fact]
    public void TriggerMode_LaterEdgeRequest_ClearsTheBit()
    {
        _machine.Request(0x50, level: true);
        _machine.Take();
        _machine.Request(0x50);

        _machine.Take();

        Assert.Single(_machine.EndedVectors);
        Assert.Equal(0U, _machine.Read(0x1A0));
    }

    [Fact]
    public void Eoi_NestedService_EndsTheHighest()
    {
        _machine.Request(0x40);
        _machine.First.TryAcknowledge(out _);
        _machine.Request(0x90);
        _machine.First.TryAcknowledge(out _);

        _machine.Write(Eoi, 0);

        Assert.Equal((1U, 0U), (_machine.Read(0x120), _machine.Read(0x140)));
    }

    [Fact]
    public void Request_Deliverable_KicksTheProcessor()
    {
        _machine.Request(0x40);

        Assert.Equal(1, _machine.Hosts[0].Kicks);
    }

    [Fact]
    public void Init_Registers_AreResetAndTheIdStays()
    {
        _machine.Write(0x20, 7U << 24);
        _machine.Write(TaskPriority, 0x50);
        _machine.Request(0x90);

        _machine.First.Init();

        Assert.Equal(7U << 24, _machine.Read(0x20));
        Assert.Equal(0U, _machine.Read(TaskPriority));
        _machine.Enable();
        Assert.Empty(_machine.Take());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    public void Request_ReservedVector_SetsReceiveIllegalVector(byte vector)
    {
        _machine.Request(vector);
        Assert.Equal(0U, _machine.Read(ErrorStatus));

        _machine.Write(ErrorStatus, 0);
        Assert.Equal(0x40U, _machine.Read(ErrorStatus));
        Assert.Empty(_machine.Take());

        _machine.Write(ErrorStatus, 0);
        Assert.Equal(0U, _machine.Read(ErrorStatus));
    }

    [Fact]
    public void Command_ReservedVector_SetsSendIllegalVector()
    {
        _machine.Write(0x300, 0x4_0005);

        _machine.Write(ErrorStatus, 0);

        Assert.Equal(0x20U, _machine.Read(ErrorStatus) & 0x20);
        Assert.Empty(_machine.Take());
    }

    [Fact]
    public void Error_LvtUnmasked_Interrupts()
    {
        _machine.Write(LvtError, 0xFE);

        _machine.Request(3);

        Assert.Equal([0xFE], _machine.Take());
    }

    [Fact]
    public void Error_LvtMasked_DoesNotInterrupt()
    {
        _machine.Write(LvtError, 0x1_00FE);

        _machine.Request(3);

        Assert.Empty(_machine.Take());
    }

    [Fact]
    public void ExtInt_VirtualWire_TakesThePicsVector()
    {
        Pic pic = new() { IsInterruptPending = true };
        using ApicMachine machine = new(pic: pic);

        machine.First.NotifyExternal();
        Assert.Equal(1, machine.Hosts[0].Kicks);
        Assert.True(machine.First.HasPendingInterrupt);
        Assert.True(machine.First.TryAcknowledge(out byte vector));
        Assert.Equal(0x08, vector);
    }

    [Fact]
    public void ExtInt_Lint0Masked_IsHeldBack()
    {
        using ApicMachine machine = new ApicMachine(pic: new Pic { IsInterruptPending = true }).Enable();
        machine.Write(0x350, 0x1_0700);

        Assert.False(machine.First.HasPendingInterrupt);
        Assert.False(machine.First.TryAcknowledge(out _));
        machine.First.NotifyExternal();
        Assert.Equal(0, machine.Hosts[0].Kicks);

        machine.Write(0x350, 0x700);
        Assert.True(machine.First.HasPendingInterrupt);
    }

    [Fact]
    public void ExtInt_ApicGloballyDisabled_ReachesTheProcessor()
    {
        using ApicMachine machine = new(pic: new Pic { IsInterruptPending = true });
        machine.Write(0x350, 0x1_0700);

        machine.First.TryWriteBase(0xFEE0_0000);

        Assert.True(machine.First.HasPendingInterrupt);
    }

    [Fact]
    public void ExtInt_AndApicVector_ApicGoesFirst()
    {
        using ApicMachine machine = new ApicMachine(pic: new Pic { IsInterruptPending = true }).Enable();
        machine.Write(0x350, 0x700);
        machine.Request(0x77);

        Assert.True(machine.First.TryAcknowledge(out byte vector));

        Assert.Equal(0x77, vector);
    }

    private sealed class Pic : IPicAcknowledge
    {
        public bool IsInterruptPending { get; set; }

        public byte Acknowledge()
        {
            IsInterruptPending = false;
            return 0x08;
        }
    }
}
