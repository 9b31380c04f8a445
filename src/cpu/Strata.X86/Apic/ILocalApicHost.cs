namespace Strata.X86.Apic;

/// <summary>The processor behind a local APIC, as other processors' IPIs and device interrupts reach it. Any thread.</summary>
public interface ILocalApicHost
{
    /// <summary>Makes the processor look for interrupts.</summary>
    void Kick();

    void SignalNmi();

    void SignalInit();

    /// <summary>Ends the halt, or the next one.</summary>
    void SignalWake();

    /// <param name="vector">Bits 19..12 of the start address.</param>
    void SignalStartup(byte vector);
}
