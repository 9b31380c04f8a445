using Strata.X86.Apic;

namespace Strata.X86.Tests.Apic;

/// <summary>Intel SDM Vol. 3A, "Issuing Interprocessor Interrupts", "Logical Destination Mode", "x2APIC Mode".</summary>
public sealed class InterprocessorInterruptTests : IDisposable
{
    private const uint CommandLow = 0x300;
    private const uint CommandHigh = 0x310;
    private const uint Logical = 1 << 11;
    private const uint Assert1 = 1 << 14;
    private const uint LevelTrigger = 1 << 15;
    private const uint Self = 1 << 18;
    private const uint All = 2 << 18;
    private const uint Others = 3 << 18;
    private const uint Nmi = 4 << 8;
    private const uint Init = 5 << 8;
    private const uint Startup = 6 << 8;
    private const uint LowestPriority = 1 << 8;
    private const uint Flat = 0xFFFF_FFFF;
    private const uint Cluster = 0x0FFF_FFFF;

    private readonly ApicMachine _machine = new ApicMachine(processors: 4).Enable();

    public void Dispose() => _machine.Dispose();

    [Theory]
    [InlineData(Self, new[] { 1 })]
    [InlineData(All, new[] { 0, 1, 2, 3 })]
    [InlineData(Others, new[] { 0, 2, 3 })]
    public void Shorthand_Fixed_ReachesItsProcessors(uint shorthand, int[] expected)
    {
        Send(0x40 | shorthand, destination: 0x77, from: 1);

        Assert.Equal(expected, _machine.Pending());
    }

    [Theory]
    [InlineData(0U, new[] { 0 })]
    [InlineData(2U, new[] { 2 })]
    [InlineData(9U, new int[0])]
    [InlineData(0xFFU, new[] { 0, 1, 2, 3 })]
    public void Physical_Destination_ReachesTheId(uint destination, int[] expected)
    {
        Send(0x40, destination);

        Assert.Equal(expected, _machine.Pending());
    }

    [Fact]
    public void Physical_IdRewritten_FollowsTheRegister()
    {
        _machine.Write(0x20, 9U << 24, 3);

        Send(0x40, destination: 9);

        Assert.Equal([3], _machine.Pending());
    }

    [Theory]
    [InlineData(0x01U, new[] { 0 })]
    [InlineData(0x0AU, new[] { 1, 3 })]
    [InlineData(0xF0U, new int[0])]
    [InlineData(0x0FU, new[] { 0, 1, 2, 3 })]
    [InlineData(0xFFU, new[] { 0, 1, 2, 3 })]
    public void Logical_Flat_MatchesAnyBit(uint destination, int[] expected)
    {
        SetLogical(Flat, [0x01, 0x02, 0x04, 0x08]);

        Send(0x40 | Logical, destination);

        Assert.Equal(expected, _machine.Pending());
    }

    [Theory]
    [InlineData(0x11U, new[] { 0 })]
    [InlineData(0x13U, new[] { 0, 1 })]
    [InlineData(0x23U, new[] { 2, 3 })]
    [InlineData(0x22U, new[] { 3 })]
    [InlineData(0x33U, new int[0])]
    [InlineData(0xFFU, new[] { 0, 1, 2, 3 })]
    public void Logical_Cluster_MatchesClusterAndBit(uint destination, int[] expected)
    {
        SetLogical(Cluster, [0x11, 0x12, 0x21, 0x22]);

        Send(0x40 | Logical, destination);

        Assert.Equal(expected, _machine.Pending());
    }

    [Theory]
    [InlineData(3U, new[] { 3 })]
    [InlineData(0x103U, new int[0])]
    [InlineData(0xFFU, new int[0])]
    [InlineData(uint.MaxValue, new[] { 0, 1, 2, 3 })]
    public void X2Apic_Physical_Uses32Bits(uint destination, int[] expected)
    {
        _machine.EnableX2Apic();

        SendX2(0x40, destination);

        Assert.Equal(expected, _machine.Pending());
    }

    [Theory]
    [InlineData(0x0000_0001U, new int[] { })]
    [InlineData(0x0001_0001U, new[] { 2 })]
    [InlineData(0x0001_0003U, new[] { 2, 3 })]
    [InlineData(0x0000_C000U, new[] { 0, 1 })]
    [InlineData(0x0002_FFFFU, new int[] { })]
    [InlineData(uint.MaxValue, new[] { 0, 1, 2, 3 })]
    public void X2Apic_Logical_MatchesClusterOfSixteen(uint destination, int[] expected)
    {
        using ApicMachine machine = new ApicMachine(processors: 4, firstId: 14).EnableX2Apic();

        Assert.True(machine.First.TryWriteMsr(0x830, ((ulong)destination << 32) | 0x40 | Logical));

        Assert.Equal(expected, machine.Pending());
    }

    [Fact]
    public void X2Apic_SelfIpi_InterruptsOnlyTheSender()
    {
        _machine.EnableX2Apic();

        Assert.True(_machine.Apics[2].TryWriteMsr(0x83F, 0x99));

        Assert.Equal([2], _machine.Pending());
        Assert.True(_machine.Apics[2].TryAcknowledge(out byte vector));
        Assert.Equal(0x99, vector);
    }

    [Fact]
    public void Command_Low_ReadsBackIdle()
    {
        Send(0x40 | Self | (1 << 12), destination: 3);

        Assert.Equal(0x40 | Self, _machine.Read(CommandLow));
        Assert.Equal(3U << 24, _machine.Read(CommandHigh));
    }

    [Fact]
    public void Nmi_Destination_SignalsEvenWhenSoftwareDisabled()
    {
        _machine.Write(0xF0, 0xFF, 2);

        Send(Nmi | 0x02, destination: 2);

        Assert.Equal(["NMI"], _machine.Hosts[2].Signals);
        Assert.Empty(_machine.Pending());
        Assert.All((int[])[0, 1, 3], other => Assert.Empty(_machine.Hosts[other].Signals));
    }

    [Fact]
    public void InitThenStartup_BootSequence_ReachesTheOthers()
    {
        Send(Init | Assert1 | LevelTrigger | Others, destination: 0);
        Send(Init | LevelTrigger | Others, destination: 0);
        Send(Startup | Assert1 | Others | 0x9A, destination: 0);
        Send(Startup | Assert1 | 0x9B, destination: 3);

        Assert.Empty(_machine.Hosts[0].Signals);
        Assert.Equal(["INIT", "SIPI 9A"], _machine.Hosts[1].Signals);
        Assert.Equal(["INIT", "SIPI 9A", "SIPI 9B"], _machine.Hosts[3].Signals);
    }

    [Fact]
    public void LowestPriority_SeveralProcessors_ReachesExactlyOne()
    {
        SetLogical(Flat, [0x01, 0x02, 0x04, 0x08]);

        Send(0x40 | Logical | LowestPriority, destination: 0x0E);

        Assert.InRange(Assert.Single(_machine.Pending()), 1, 3);
    }

    [Fact]
    public void LowestPriority_SoftwareDisabledProcessor_IsPassedOver()
    {
        SetLogical(Flat, [0x01, 0x02, 0x04, 0x08]);
        _machine.Write(0xF0, 0xFF, 1);
        for (int i = 0; i < 4; i++)
        {
            Send((0x40U + (uint)i) | Logical | LowestPriority, destination: 0x06);
        }

        Assert.Equal([2], _machine.Pending());
        Assert.Equal(4, _machine.Take(2).Count);
    }

    [Fact]
    public void Msi_Edge_ReachesTheDestination()
    {
        _machine.Bus.Send(0xFEE0_2000, 0x61);

        Assert.Equal([2], _machine.Pending());
        _machine.Take(2);
        Assert.Empty(_machine.EndedVectors);
    }

    [Fact]
    public void Msi_Level_IsEndedByBroadcast()
    {
        _machine.Bus.Send(0xFEE0_1000, 0xC061);

        Assert.Equal([0x61], _machine.Take(1));
        Assert.Equal([0x61], _machine.EndedVectors);
    }

    [Fact]
    public void Msi_Logical_MatchesTheLogicalId()
    {
        SetLogical(Flat, [0x01, 0x02, 0x04, 0x08]);

        _machine.Bus.Send(0xFEE0_0004 | (0x0CUL << 12), 0x61);

        Assert.Equal([2, 3], _machine.Pending());
    }

    [Fact]
    public void Msi_ExtendedDestination_ReachesIdsAbove255()
    {
        using ApicMachine machine = new ApicMachine(processors: 2, firstId: 0x1FF).EnableX2Apic();

        machine.Bus.Send(0xFEE0_0000 | (0xFFUL << 12) | (1UL << 5), 0x61);

        Assert.Equal([0], machine.Pending());
    }

    [Fact]
    public void SendTo_InitialId_SaysWhetherThereIsOne()
    {
        Assert.True(_machine.First.SendTo(DeliveryMode.Fixed, 0x40, 3));
        Assert.False(_machine.First.SendTo(DeliveryMode.Fixed, 0x40, 4));

        Assert.Equal([3], _machine.Pending());
    }

    private void SetLogical(uint format, uint[] ids)
    {
        for (int i = 0; i < ids.Length; i++)
        {
            _machine.Write(0xE0, format, i);
            _machine.Write(0xD0, ids[i] << 24, i);
        }
    }

    private void Send(uint command, uint destination, int from = 0)
    {
        _machine.Write(CommandHigh, destination << 24, from);
        _machine.Write(CommandLow, command, from);
    }

    private void SendX2(uint command, uint destination) =>
        Assert.True(_machine.First.TryWriteMsr(0x830, ((ulong)destination << 32) | command));
}
