using Strata.X86.Paravirt;

namespace Strata.X86.Apic;

/// <summary>
/// End of interrupt without a write to the APIC (<see cref="EoiFlag"/>). An edge interrupt that is alone raises the guest's flag when
/// it is taken into service. Whatever needs to know whether it is over takes the flag back first; a request that arrives meanwhile
/// kicks the processor so that somebody looks.
/// </summary>
public sealed partial class LocalApic
{
    /// <summary>The guest's flag, or null; on the vCPU's thread.</summary>
    private EoiFlag? _eoiFlag;

    /// <summary>The flag is raised, or was and the guest has used it. Written on the vCPU's thread under <see cref="_gate"/>.</summary>
    private volatile bool _eoiOffered;

    /// <summary>An interrupt waits, and whether it can be delivered depends on the flag.</summary>
    private volatile bool _mustSettle;

    public void UseEoiFlag(EoiFlag? flag)
    {
        SettleEoi();
        _eoiFlag = flag;
    }

    /// <summary>The flag as it was when the state was saved; it may be raised.</summary>
    public void RestoreEoiFlag(EoiFlag? flag) => _eoiFlag = flag;

    /// <summary>
    /// Whether the interrupt that has just been taken can end by the flag: nothing waits behind it, and nobody waits for its end. Under
    /// <see cref="_gate"/>.
    /// </summary>
    private bool CanOfferEoi(int vector) =>
        _eoiFlag is not null && _irr.Highest < 0 && IsEdge(vector) && _isr.IsOnly(vector);

    /// <summary>Takes the flag back; if the guest has used it, the interrupt ends now. On the vCPU's thread.</summary>
    /// <returns>True.</returns>
    private bool SettleEoi()
    {
        if (!_eoiOffered)
        {
            return true;
        }

        bool used = _eoiFlag is { } flag && flag.TakeBack();
        lock (_gate)
        {
            _eoiOffered = false;
            int vector = _isr.Highest;
            if (used && vector >= 0)
            {
                _isr.Remove(vector);
            }

            Update();
        }

        return true;
    }

    private bool IsEdge(int vector) => !_tmr.Contains(vector);
}
