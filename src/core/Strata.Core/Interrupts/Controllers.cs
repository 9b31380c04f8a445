namespace Strata.Core.Interrupts;

/// <summary>A pair of 8259s as the processor sees it through INTR and INTA.</summary>
public interface IPicAcknowledge
{
    /// <summary>The level of INTR. Any thread.</summary>
    bool IsInterruptPending { get; }

    /// <summary>One INTA cycle: the vector of the highest-priority request, taken into service; the spurious one if it is gone.</summary>
    byte Acknowledge();
}

/// <summary>Hears about end-of-interrupt of level-triggered vectors.</summary>
public interface IEoiSink
{
    void EndOfInterrupt(byte vector);
}
