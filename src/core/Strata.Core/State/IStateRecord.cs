namespace Strata.Core.State;

/// <summary>
/// A record of guest-visible state. Its public properties are all there is to know; each can be set, so that a test can walk them.
/// </summary>
/// <typeparam name="TSelf">The record itself.</typeparam>
public interface IStateRecord<TSelf>
    where TSelf : IStateRecord<TSelf>
{
    /// <summary>
    /// Of the layout, from 1. A change of fields or of their meaning is a new number, and <see cref="Read"/> goes on reading the old ones.
    /// </summary>
    static abstract ushort Version { get; }

    /// <summary>Writes the fields, in the order in which <see cref="Read"/> takes them.</summary>
    void Write(StateWriter writer);

    /// <summary>Reads and checks every field.</summary>
    /// <param name="version">The layout that was written, 1 to <see cref="Version"/>.</param>
    /// <exception cref="StateException">A field is out of its range.</exception>
    static abstract TSelf Read(StateReader reader, ushort version);
}
