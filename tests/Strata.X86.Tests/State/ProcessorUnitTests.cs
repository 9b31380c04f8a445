using System.Reflection;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.X86.Apic;
using Strata.X86.Execution;
using Strata.X86.Paravirt;
using Strata.X86.Registers;
using Strata.X86.Tests.Paravirt;

namespace Strata.X86.Tests.State;

/// <summary>Processor, local APIC and paravirtual interface as units: the contract, and going on in a fresh machine.</summary>
public sealed class ProcessorUnitTests : IDisposable
{
    private const ulong Steal = 0x2000;
    private const ulong Clock = 0x3000;
    private const ulong Flag = 0x4000;
    private const long Millisecond = 1_000_000;

    private readonly ParavirtMachine _old = new();
    private readonly ParavirtMachine _new = new();

    public void Dispose()
    {
        _old.Dispose();
        _new.Dispose();
    }

    [Fact]
    public void X86Cpu_LongMode_HoldsTheContract()
    {
        _old.Cpu.SetState(LongMode());
        _old.Cpu.PostNmi();
        _old.Cpu.PostStartup(9);

        UnitContract.Check(_old.Cpu, Legal);
    }

    [Fact]
    public void LocalApic_TimerAndRequests_HoldsTheContract()
    {
        _old.Clock.Advance(Millisecond);
        Write(_old, 0x320, 0x2_0040);
        Write(_old, 0x380, 1000);
        _old.Apic.Accept(DeliveryMode.Fixed, 0x51, level: true);

        UnitContract.Check(_old.Apic, (property, old) => property.Name switch
        {
            nameof(LocalApicState.Base) => 0xFEE0_1900UL,
            nameof(LocalApicState.XApicId) or nameof(LocalApicState.LogicalDestination) => 0x0500_0000u,
            nameof(LocalApicState.DestinationFormat) => 0x0FFF_FFFFu,
            _ => null,
        });
    }

    [Fact]
    public void ApicBus_AsUnit_HoldsTheContract() => UnitContract.Check(_old.Bus);

    [Fact]
    public void KvmHypercallInterface_EveryRecord_HoldsTheContract()
    {
        PlaceRecords(_old);

        UnitContract.Check(_old.Interface, (property, old) => property.Name == nameof(ParavirtState.EndOfInterrupt) ? Flag + 5 : null);
    }

    [Fact]
    public void LocalApic_OneShotSavedMidCount_FiresAtTheSameVirtualTime()
    {
        Write(_old, 0x3E0, 0xB); // divide by 1: 40 ns a count
        Write(_old, 0x320, 0x40);
        Write(_old, 0x380, 25_000);
        _old.Clock.Advance(Millisecond / 4);

        Copy();

        Assert.Equal(18_750u, (uint)_new.Apic.ReadMmio(0x390, AccessWidth.Dword));
        _new.Clock.Advance((Millisecond * 3 / 4) - 1);
        Assert.False(_new.Apic.HasPendingInterrupt);
        _new.Clock.Advance(1);
        Assert.True(_new.Apic.TryAcknowledge(out byte vector));
        Assert.Equal(0x40, vector);
    }

    [Fact]
    public void LocalApic_TscDeadlineOfACounterThatWasMoved_FiresAtItsTick()
    {
        _old.Write(Msr.IA32_TSC, 1UL << 40);
        Write(_old, 0x320, 0x4_0041);
        _old.Write(Msr.IA32_TSC_DEADLINE, (1UL << 40) + 5000);

        Copy();

        _new.Clock.Advance(4999);
        Assert.False(_new.Apic.HasPendingInterrupt);
        _new.Clock.Advance(1);
        Assert.True(_new.Apic.HasPendingInterrupt);
    }

    [Fact]
    public void LocalApic_DeadlinePassedButNotServed_FiresAfterTheLoad()
    {
        Write(_old, 0x320, 0x4_0041);
        _old.Write(Msr.IA32_TSC_DEADLINE, 5000);
        LocalApicState late = _old.Apic.SaveState();

        _new.Clock.LoadState(new Core.Time.ClockState { Now = 6000 });
        _new.Apic.LoadState(late);
        _new.Apic.Resume();
        _new.Clock.Advance(0);

        Assert.True(_new.Apic.HasPendingInterrupt);
    }

    [Fact]
    public void LocalApic_LevelInterruptInService_EndsAtTheIoApicAfterTheLoad()
    {
        _old.Apic.Accept(DeliveryMode.Fixed, 0x51, level: true);
        _old.Apic.TryAcknowledge(out _);
        Sink ended = new();
        _new.Bus.EoiSink = ended;

        Copy();
        Write(_new, 0xB0, 0);

        Assert.Equal([0x51], ended.Vectors);
    }

    [Fact]
    public void LocalApic_FlagRaisedWhenSaved_StaysRaisedAndEndsTheInterrupt()
    {
        PlaceRecords(_old);
        _old.Apic.Accept(DeliveryMode.Fixed, 0x40, level: false);
        _old.Apic.TryAcknowledge(out _);

        Copy();

        Assert.Equal(1, _new[Flag]);
        _new[Flag] = 0; // the guest's end of interrupt
        Assert.Equal(0u, (uint)_new.Apic.ReadMmio(0x120, AccessWidth.Dword));
        Assert.Equal(0u, _new.Apic.SaveState().InService[2]);
    }

    [Fact]
    public void Paravirtual_Loaded_LeavesMemoryAsItIsAndGoesOnCounting()
    {
        PlaceRecords(_old);
        _old.Interface.AddStealTime(700);
        _old.Clock.Advance(Millisecond);
        byte[] memory = _old.Ram.Slice(0, 0x8000).ToArray();

        Copy();

        Assert.Equal(memory, _new.Ram.Slice(0, 0x8000).ToArray());
        Assert.Equal((ulong)Millisecond, _new.ReadClock(Clock, _new.Cpu.ReadTsc()));
        _new.Interface.AddStealTime(300);
        Assert.Equal(1000UL, _new.Quad(Steal));
    }

    [Fact]
    public void Paravirtual_FlagOutsideOfRam_IsRefused()
    {
        ParavirtState state = _old.Interface.SaveState();
        state.EndOfInterrupt = ParavirtMachine.Rom | 1;

        StateException error = Assert.Throws<StateException>(() => _new.Interface.LoadState(state));

        Assert.Contains("paravirt0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void X86Cpu_SignalsPosted_ArriveAfterTheLoad()
    {
        X86CpuState waiting = X86CpuState.AtReset();
        waiting.Activity = ActivityState.WaitForStartup;
        _old.Cpu.SetState(waiting);
        _old.Cpu.PostStartup(0x12);

        Copy();

        Assert.True(_new.Cpu.TryWake());
        Assert.Equal(0x12000UL, _new.Cpu.State.Cs.Base);
    }

    [Theory]
    [InlineData(nameof(VcpuState.Cr0), Cr0.PG | Cr0.ET)]
    [InlineData(nameof(VcpuState.Efer), Efer.LME)]
    [InlineData(nameof(VcpuState.Cr4), 0UL)]
    [InlineData(nameof(VcpuState.Cr3), 1UL << 46)]
    [InlineData(nameof(VcpuState.Rip), 1UL << 47)]
    [InlineData(nameof(VcpuState.Lstar), 1UL << 47)]
    [InlineData(nameof(VcpuState.Pat), 2UL)]
    public void X86Cpu_StateThatNoProcessorHas_IsRefusedAndChangesNothing(string field, ulong value)
    {
        _old.Cpu.SetState(LongMode());
        VcpuState state = _old.Cpu.SaveState();
        typeof(VcpuState).GetProperty(field)!.SetValue(state, value);

        StateException error = Assert.Throws<StateException>(() => _new.Cpu.LoadState(state));

        Assert.Contains("vcpu0", error.Message, StringComparison.Ordinal);
        Assert.Equal(X86CpuState.AtReset().Rip, _new.Cpu.State.Rip);
    }

    [Fact]
    public void Reset_RunningProcessor_StartsOverAndForgetsWhatWasPosted()
    {
        _old.Cpu.SetState(LongMode());
        _old.Cpu.PostNmi();
        _old.Cpu.PostInit();
        PlaceRecords(_old);
        _old.Apic.Accept(DeliveryMode.Fixed, 0x51, level: false);

        Array.ForEach<IUnit>([_old.Bus, _old.Apic, _old.Cpu, _old.Interface], unit => unit.Reset());

        Assert.False(_old.Cpu.HasSignals);
        Assert.Equal(0xFFF0UL, _old.Cpu.State.Rip);
        Assert.False(_old.Cpu.IsLongMode);
        Assert.False(_old.Interface.CountsStealTime);
        Assert.Equal(0u, _old.Apic.SaveState().InterruptRequest[2]);
    }

    [Fact]
    public void SetState_OtherPcid_KeepsItsTranslationsFromThatOfTheOldOne()
    {
        MapPage(_old, tables: 0x10000, page: 0x60000);
        MapPage(_old, tables: 0x20000, page: 0x61000);
        _old[0x60000] = 0xAA;
        _old[0x61000] = 0xBB;
        X86CpuState state = LongMode();
        state.Cr4 |= Cr4.PCIDE;
        state.Cr3 = 0x10000 | 5;

        _old.Cpu.SetState(state); // PCID 0 was current up to here
        Assert.Equal(0xAAUL, Read(_old.Cpu, Page));
        Assert.True(_old.Cpu.TryWriteCr3(0x20000 | (1UL << 63))); // to PCID 0, keeping its translations

        Assert.Equal(0xBBUL, Read(_old.Cpu, Page));
    }

    /// <summary>Records from outside: a damaged one is refused, or makes a processor that goes on as one does.</summary>
    [Fact]
    public void Load_DamagedRecord_IsRefusedOrGoesOn()
    {
        IUnit[] units = [_old.Apic, _old.Cpu, _old.Interface];
        _old.Cpu.SetState(LongMode());
        PlaceRecords(_old);
        Random random = new(32);
        int refused = 0;
        for (int i = 0; i < 10_000; i++)
        {
            IUnit unit = units[i % units.Length];
            StateWriter writer = new();
            unit.Save(writer);
            byte[] bytes = writer.ToArray();
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                unit.Load(new StateReader(bytes, unit.UnitName));
                unit.Resume();
            }
            catch (StateException)
            {
                refused++;
            }

            _old.Apic.ReadMmio((ulong)random.Next(0x40) << 4, AccessWidth.Dword);
            _old.Apic.Accept(DeliveryMode.Fixed, (byte)random.Next(16, 256), level: false);
            _old.Apic.TryAcknowledge(out _);
            _old.Interface.AddStealTime(1);
            _old.Cpu.TryRead((ulong)random.NextInt64(), 8, out _);
            _old.Clock.Advance(random.Next(1000));
        }

        Assert.InRange(refused, 1000, 9000);
    }

    private const ulong Page = 0x4000_0000;

    private static ulong Read(X86Cpu cpu, ulong address)
    {
        Assert.True(cpu.TryRead(address, 1, out ulong value));
        return value;
    }

    private static void MapPage(ParavirtMachine machine, ulong tables, ulong page)
    {
        machine.Memory.Write(tables, AccessWidth.Qword, (tables + 0x1000) | 3);
        machine.Memory.Write(tables + 0x1000 + 8, AccessWidth.Qword, (tables + 0x2000) | 3);
        machine.Memory.Write(tables + 0x2000, AccessWidth.Qword, (tables + 0x3000) | 3);
        machine.Memory.Write(tables + 0x3000, AccessWidth.Qword, page | 3);
    }

    private static X86CpuState LongMode()
    {
        X86CpuState state = X86CpuState.AtReset();
        state.Cr0 = Cr0.PE | Cr0.PG | Cr0.ET | Cr0.NE;
        state.Cr3 = 0x10000;
        state.Cr4 = Cr4.PAE;
        state.EferMsr = Efer.LME | Efer.LMA | Efer.SCE;
        state.Rip = 0xFFFF_8000_0000_1000;
        state.Cs.Attributes = SegmentState.Present | SegmentState.NonSystem | SegmentState.Code | SegmentState.Long | 3;
        state.Shadow = InterruptShadow.MovSs;
        return state;
    }

    /// <summary>Values that the processor's rules allow.</summary>
    private static object? Legal(PropertyInfo property, object? old) => property.Name switch
    {
        nameof(VcpuState.Rflags) => 0x202UL,
        nameof(VcpuState.Cr0) => Cr0.PE | Cr0.PG | Cr0.ET | Cr0.TS,
        nameof(VcpuState.Cr3) => 0x20000UL,
        nameof(VcpuState.Cr4) => Cr4.PAE | Cr4.OSFXSR,
        nameof(VcpuState.Xcr0) => 3UL,
        nameof(VcpuState.Shadow) => InterruptShadow.Sti,
        nameof(VcpuState.NmiPending) => (byte)2,
        nameof(VcpuState.Efer) => Efer.LME | Efer.LMA | Efer.NXE,
        _ => null,
    };

    private static void PlaceRecords(ParavirtMachine machine)
    {
        Assert.True(machine.Write(ParavirtMsr.SystemTime, Clock | 1));
        Assert.True(machine.Write(ParavirtMsr.WallClock, Clock + 0x100));
        Assert.True(machine.Write(ParavirtMsr.StealTime, Steal | 1));
        Assert.True(machine.Write(ParavirtMsr.EndOfInterrupt, Flag | 1));
    }

    private static void Write(ParavirtMachine machine, uint offset, uint value) => machine.Apic.WriteMmio(offset, AccessWidth.Dword, value);

    /// <summary>Memory, then all units: the APIC before the processor, whose counter it needs when it goes on.</summary>
    private void Copy()
    {
        _old.Ram.Slice(0, (int)ParavirtMachine.MemorySize).CopyTo(_new.Ram.Slice(0, (int)ParavirtMachine.MemorySize));
        Roster(_new).Load(Roster(_old).Save().ToList());
        Roster(_new).Resume();
    }

    private static UnitRoster Roster(ParavirtMachine machine)
    {
        UnitRoster roster = new();
        Array.ForEach<IUnit>([machine.Clock, machine.Bus, machine.Apic, machine.Cpu, machine.Interface], roster.Add);
        return roster;
    }

    private sealed class Sink : Core.Interrupts.IEoiSink
    {
        public List<byte> Vectors { get; } = [];

        public void EndOfInterrupt(byte vector) => Vectors.Add(vector);
    }
}
