namespace Strata.Core.State;

/// <summary>
/// A part of a machine that the guest can see: a chip, a virtio device, an APIC, the clock, a processor. The board lists its units in
/// a <see cref="UnitRoster"/>, through which a machine is reset, saved and loaded as a whole.
/// <para>Resetting, saving and loading happen while the machine stands still: no processor runs, its clock is stopped, and every unit
/// has been quiesced. One thread then calls one unit after the other.</para>
/// </summary>
public interface IUnit
{
    /// <summary>
    /// Names the unit in a machine: lower case, digits, '-', '.' and '/', such as <c>uart0</c>, <c>pci/03.0</c>, <c>vcpu1</c>.
    /// </summary>
    string UnitName { get; }

    /// <summary>
    /// Machines were saved before boards got this unit, so a saved machine may lack its record. The unit is then as after a reset, and a
    /// guest that has never heard of it must not be able to tell that from its absence.
    /// </summary>
    bool MayBeAbsent => false;

    /// <summary>Puts the guest-visible state back to what it is after power-on. Configuration and wiring stay.</summary>
    void Reset();

    /// <summary>
    /// Finishes or parks what the unit does by itself, so that it touches neither guest memory nor its own state until
    /// <see cref="Resume"/>: requests under way end, threads wait. The processors stand still already. Host errors are exceptions.
    /// </summary>
    void Quiesce()
    {
    }

    /// <summary>Goes on behind <see cref="Quiesce"/>, with the state that the unit has now: also behind a reset or a load.</summary>
    void Resume()
    {
    }

    /// <summary>Writes the guest-visible state: one record.</summary>
    void Save(StateWriter writer);

    /// <summary>
    /// Takes over what <see cref="Save"/> wrote, perhaps long ago and elsewhere: the bytes are as hostile as a guest. The whole record
    /// is read and checked before anything changes.
    /// </summary>
    /// <exception cref="StateException">The record is damaged, of another version, or does not fit this unit; nothing has
    /// changed.</exception>
    void Load(StateReader reader);

    /// <summary>
    /// Reads a record as <see cref="Load"/> does, and changes nothing: what it finds, damages nothing. Load may still refuse the record.
    /// </summary>
    /// <exception cref="StateException">The record is damaged, or of another version.</exception>
    void Check(StateReader reader) => ArgumentNullException.ThrowIfNull(reader);
}

/// <summary>A unit whose guest-visible state is the record <typeparamref name="TState"/>.</summary>
/// <typeparam name="TState">Apart from configuration and wiring, in a file beside the unit's own: <c>Uart16550.State.cs</c>.</typeparam>
public interface IUnit<TState> : IUnit
    where TState : IStateRecord<TState>
{
    /// <summary>The state as it is now.</summary>
    TState SaveState();

    /// <summary>
    /// Takes a state over. Each field is within its range already; how they fit this unit's configuration is checked here.
    /// </summary>
    /// <exception cref="StateException">It does not fit; nothing has changed.</exception>
    void LoadState(TState state);

    void IUnit.Save(StateWriter writer) => writer.WriteRecord(SaveState());

    void IUnit.Load(StateReader reader) => LoadState(reader.ReadRecord<TState>());

    void IUnit.Check(StateReader reader) => reader.ReadRecord<TState>();
}
