using FsCheck;
using FsCheck.Fluent;
using Strata.X86.Apic;
using Strata.X86.Paravirt;
using Strata.X86.Tests.Paravirt;
using Strata.Core.Bus;

namespace Strata.X86.Tests.Apic;

/// <summary>End of interrupt by a flag in guest memory. Linux kernel documentation, "KVM-specific MSRs", MSR_KVM_PV_EOI_EN.</summary>
public sealed class AssistedEoiTests : IDisposable
{
    private const ulong Flag = 0x2004;
    private const uint Eoi = 0xB0;
    private const uint ProcessorPriority = 0xA0;
    private const byte Vector = 0x51;
    private const byte Lower = 0x41;
    private const byte Higher = 0x61;

    private readonly ParavirtMachine _machine = new();
    private readonly List<byte> _broadcast = [];

    public AssistedEoiTests()
    {
        _machine.Bus.EoiSink = new Sink(_broadcast);
        Assert.True(_machine.Write(ParavirtMsr.EndOfInterrupt, Flag | 1));
    }

    private LocalApic Apic => _machine.Apic;

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Acknowledge_LoneEdgeInterrupt_RaisesTheFlag()
    {
        Take(Vector);

        Assert.Equal(1, _machine[Flag]);
    }

    [Fact]
    public void Acknowledge_LevelInterrupt_WaitsForTheCommand()
    {
        Apic.Accept(DeliveryMode.Fixed, Vector, level: true);
        Apic.TryAcknowledge(out _);
        Assert.Equal(0, _machine[Flag]);

        Apic.WriteMmio(Eoi, AccessWidth.Dword, 0);

        Assert.Equal([Vector], _broadcast);
    }

    [Fact]
    public void Acknowledge_AnotherOneWaiting_DoesNotRaiseTheFlag()
    {
        Request(Lower);
        Take(Vector);

        Assert.Equal(0, _machine[Flag]);
    }

    [Fact]
    public void Acknowledge_AnotherOneInService_DoesNotRaiseTheFlag()
    {
        Take(Vector);
        Take(Higher);

        Assert.Equal(0, _machine[Flag]);
        Assert.Equal([Higher, Vector], InService());
    }

    [Fact]
    public void Request_AfterTheFlagWasUsed_IsDelivered()
    {
        Take(Vector);
        _machine[Flag] = 0;

        Request(Vector);

        Assert.True(Apic.HasPendingInterrupt);
        Take(Vector, request: false);
        Assert.Equal([Vector], InService());
    }

    [Fact]
    public void Request_FlagNotUsedYet_TakesItBackAndWaitsForTheCommand()
    {
        Take(Vector);

        Request(Lower);

        Assert.False(Apic.HasPendingInterrupt);
        Assert.Equal(0, _machine[Flag]);
        Apic.WriteMmio(Eoi, AccessWidth.Dword, 0);
        Assert.True(Apic.HasPendingInterrupt);
    }

    [Fact]
    public void Command_WhileTheFlagIsRaised_EndsTheInterruptOnce()
    {
        Take(Vector);

        Apic.WriteMmio(Eoi, AccessWidth.Dword, 0);

        Assert.Empty(InService());
        Assert.Equal(0, _machine[Flag]);
        Take(Vector);
        Assert.Equal([Vector], InService());
    }

    [Fact]
    public void Command_AfterTheFlagWasUsed_EndsNothingElse()
    {
        Take(Lower);
        Request(Higher);
        Assert.True(Apic.TryAcknowledge(out _)); // both in service, no flag
        Apic.WriteMmio(Eoi, AccessWidth.Dword, 0); // the higher one
        Apic.WriteMmio(Eoi, AccessWidth.Dword, 0); // the lower one
        Take(Vector);
        _machine[Flag] = 0;

        Apic.WriteMmio(Eoi, AccessWidth.Dword, 0);

        Assert.Empty(InService());
    }

    [Fact]
    public void ReadRegister_AfterTheFlagWasUsed_ShowsThatNothingIsInService()
    {
        Take(Vector);
        Assert.Equal(0x50UL, Apic.ReadMmio(ProcessorPriority, AccessWidth.Dword));
        Take(Lower); // waits: the flag was taken back

        Apic.WriteMmio(Eoi, AccessWidth.Dword, 0);
        Take(Lower, request: false);
        _machine[Flag] = 0;

        Assert.Equal(0UL, Apic.ReadMmio(ProcessorPriority, AccessWidth.Dword));
    }

    [Fact]
    public void Disable_FlagUsed_EndsTheInterrupt()
    {
        Take(Vector);
        _machine[Flag] = 0;

        Assert.True(_machine.Write(ParavirtMsr.EndOfInterrupt, 0));

        Assert.Empty(InService());
        Take(Vector);
        Assert.Equal(0, _machine[Flag]);
    }

    [Fact]
    public void Move_FlagRaised_IsTakenBackWhereItWas()
    {
        Take(Vector);

        _machine.Write(ParavirtMsr.EndOfInterrupt, (Flag + 8) | 1);

        Assert.Equal((0, 0), (_machine[Flag], _machine[Flag + 8]));
        Assert.Equal([Vector], InService());
    }

    /// <summary>
    /// A guest that ends interrupts by the flag wherever it may, and one that has none, take the same interrupts in the same order,
    /// whatever arrives when.
    /// </summary>
    [Fact]
    public void AnySequence_WithAndWithoutTheFlag_DeliversTheSame() =>
        Prop.ForAll(Gen.Choose(0, 9).ArrayOf(60).ToArbitrary(), steps =>
        {
            using ParavirtMachine assisted = new();
            using ParavirtMachine plain = new();
            assisted.Write(ParavirtMsr.EndOfInterrupt, Flag | 1);

            return Trace(assisted, steps).SequenceEqual(Trace(plain, steps));
        }).QuickCheckThrowOnFailure();

    private static List<string> Trace(ParavirtMachine machine, int[] steps)
    {
        List<string> trace = [];
        Stack<byte> handlers = new();
        foreach (int step in steps)
        {
            switch (step)
            {
                case < 5: // an interrupt of class 3 to 7, one in two level-triggered at the upper vectors
                    machine.Apic.Accept(DeliveryMode.Fixed, (byte)(0x31 + (step * 0x10)), level: step == 4);
                    break;
                case < 8:
                    if (machine.Apic.HasPendingInterrupt && machine.Apic.TryAcknowledge(out byte vector))
                    {
                        handlers.Push(vector);
                        trace.Add($"take {vector:x2}");
                    }

                    break;
                default:
                    if (handlers.TryPop(out byte ended))
                    {
                        End(machine);
                        trace.Add($"end {ended:x2}, waiting {machine.Apic.HasPendingInterrupt}");
                    }

                    break;
            }
        }

        return trace;
    }

    /// <summary>As Linux does it: the flag if it is set, the command otherwise.</summary>
    private static void End(ParavirtMachine machine)
    {
        if ((machine[Flag] & 1) != 0)
        {
            machine[Flag] = 0;
        }
        else
        {
            machine.Apic.WriteMmio(Eoi, AccessWidth.Dword, 0);
        }
    }

    private void Request(byte vector) => Apic.Accept(DeliveryMode.Fixed, vector, level: false);

    private void Take(byte vector, bool request = true)
    {
        if (request)
        {
            Request(vector);
        }

        if (Apic.TryAcknowledge(out byte taken))
        {
            Assert.Equal(vector, taken);
        }
    }

    private List<byte> InService() =>
        [.. Enumerable.Range(0, 256).Reverse().Where(
            i => (Apic.ReadMmio(0x100 + (uint)(i / 32 * 16), AccessWidth.Dword) & (1UL << (i % 32))) != 0).Select(i => (byte)i)];

    private sealed class Sink(List<byte> ended) : Strata.Core.Interrupts.IEoiSink
    {
        public void EndOfInterrupt(byte vector) => ended.Add(vector);
    }
}
