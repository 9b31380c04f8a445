using Strata.X86.Execution;

namespace Strata.Machines.Boards;

/// <content>What makes a clone another machine, as far as the board is concerned.</content>
public sealed partial class PcBoard
{
    private bool _holdsUserCode; // under _gate

    /// <summary>What tells the machine from others that begin where it was saved: the generation ID that its guest reads.</summary>
    public Guid GenerationId => _chipset.GenerationId.Id;

    /// <summary>The machine is another one from here on, and its guest is told. While it is paused.</summary>
    public void RenewGeneration(Guid id) => _chipset.GenerationId.Renew(id);

    /// <summary>
    /// A program in the guest has said that it makes clones machines of their own, so all others can be held back until it has.
    /// </summary>
    public bool HasIdentityProgram => _chipset.Identity.AddressSpace is not null;

    /// <summary>
    /// No user code runs from here on but that of the program that makes clones machines of their own, until
    /// <see cref="ReleaseUserCode"/>. The kernel goes on. While the machine is paused.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is no such program, the engine cannot do it, or the machine runs.</exception>
    public void HoldUserCode()
    {
        lock (_gate)
        {
            if (_pauses == 0)
            {
                throw NotPaused("its programs run");
            }

            if (_chipset.Identity.AddressSpace is not { } addressSpace || !_processors!.Engine.HoldsUserCode)
            {
                throw new InvalidOperationException(
                    $"The guest's programs cannot be held back: it has no program that may run, or its engine, " +
                    $"{_processors!.Engine.Name}, cannot do it.");
            }

            _processors.SetUserHold(new UserCodeHold(addressSpace));
            _holdsUserCode = true;
        }
    }

    /// <summary>All user code may run. Any thread.</summary>
    public void ReleaseUserCode()
    {
        lock (_gate)
        {
            _holdsUserCode = false;
            if (!_disposed)
            {
                _processors!.SetUserHold(null);
            }
        }
    }
}
