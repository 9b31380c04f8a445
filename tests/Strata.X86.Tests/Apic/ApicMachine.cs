using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.Time;
using Strata.X86.Apic;
using Strata.X86.Cpuid;

namespace Strata.X86.Tests.Apic;

/// <summary>Local APICs on one bus and one manual clock. The TSC counts two ticks a nanosecond.</summary>
internal sealed class ApicMachine : IEoiSink, IDisposable
{
    public const uint TscMsr = 0x6E0;
    public const ulong TicksPerNanosecond = 2;

    public ApicMachine(int processors = 1, IPicAcknowledge? pic = null, uint firstId = 0)
    {
        Bus = new ApicBus { EoiSink = this };
        CpuidPolicy policy = new() { TscFrequency = 1_000_000_000 * TicksPerNanosecond };
        Apics = [.. Enumerable.Range(0, processors).Select(i => new LocalApic(
            firstId + (uint)i, Clock, Bus, policy, i == 0 ? pic : null, () => (ulong)Clock.Now * TicksPerNanosecond))];
        Hosts = [.. Apics.Select(_ => new Host())];
        for (int i = 0; i < processors; i++)
        {
            Apics[i].Connect(Hosts[i]);
        }
    }

    public ManualClock Clock { get; } = new();

    public ApicBus Bus { get; }

    public LocalApic[] Apics { get; }

    public Host[] Hosts { get; }

    public List<byte> EndedVectors { get; } = [];

    public LocalApic First => Apics[0];

    public void EndOfInterrupt(byte vector) => EndedVectors.Add(vector);

    public void Dispose() => Array.ForEach(Apics, apic => apic.Dispose());

    /// <summary>Software-enables every APIC with spurious vector 0xFF.</summary>
    public ApicMachine Enable()
    {
        Array.ForEach(Apics, apic => apic.WriteMmio(0xF0, AccessWidth.Dword, 0x1FF));
        return this;
    }

    public ApicMachine EnableX2Apic()
    {
        foreach (LocalApic apic in Apics)
        {
            Assert.True(apic.TryWriteBase(apic.BaseMsr | 0x400));
            Assert.True(apic.TryWriteMsr(0x80F, 0x1FF));
        }

        return this;
    }

    public uint Read(uint offset, int processor = 0) => (uint)Apics[processor].ReadMmio(offset, AccessWidth.Dword);

    public void Write(uint offset, uint value, int processor = 0) => Apics[processor].WriteMmio(offset, AccessWidth.Dword, value);

    public void Request(byte vector, bool level = false) => First.Accept(DeliveryMode.Fixed, vector, level);

    /// <summary>The vectors that each processor takes now, one after the other, ending each.</summary>
    public List<byte> Take(int processor = 0)
    {
        List<byte> vectors = [];
        while (Apics[processor].TryAcknowledge(out byte vector))
        {
            vectors.Add(vector);
            Write(0xB0, 0, processor);
        }

        return vectors;
    }

    /// <summary>The numbers of the processors that have an interrupt.</summary>
    public List<int> Pending() => [.. Enumerable.Range(0, Apics.Length).Where(i => Apics[i].HasPendingInterrupt)];

    internal sealed class Host : ILocalApicHost
    {
        public int Kicks { get; private set; }

        public List<string> Signals { get; } = [];

        public void Kick() => Kicks++;

        public void SignalNmi() => Signals.Add("NMI");

        public void SignalWake() => Signals.Add("wake");

        public void SignalInit() => Signals.Add("INIT");

        public void SignalStartup(byte vector) => Signals.Add($"SIPI {vector:X2}");
    }
}
