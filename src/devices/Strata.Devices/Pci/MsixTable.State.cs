using Strata.Core.State;

namespace Strata.Devices.Pci;

/// <summary>The MSI-X table of a function. Its control word is part of the configuration space.</summary>
public sealed class MsixState : IStateRecord<MsixState>
{
    private const int MostVectors = 128;

    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>Four words a vector: address low and high, data, control.</summary>
    public required uint[] Table { get; set; }

    /// <summary>The pending bits, 64 vectors in each.</summary>
    public required ulong[] Pending { get; set; }

    /// <inheritdoc/>
    public static MsixState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new MsixState
        {
            Table = reader.ReadArray<uint>(nameof(Table), MostVectors * MsixTable.EntryWords),
            Pending = reader.ReadArray<ulong>(nameof(Pending), MostVectors / 64),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<uint>(Table);
        writer.WriteArray<ulong>(Pending);
    }
}

/// <content>Its state, as a part of its function's.</content>
public sealed partial class MsixTable
{
    internal void Reset()
    {
        lock (_gate)
        {
            Array.Clear(_words);
            Array.Clear(_pending);
            MaskAll();
            _control = 0;
        }
    }

    internal MsixState SaveState()
    {
        lock (_gate)
        {
            return new MsixState { Table = [.. _words], Pending = [.. _pending] };
        }
    }

    /// <summary>Whether a table is one of this size.</summary>
    internal bool Fits(MsixState state) => state.Table.Length == _words.Length && state.Pending.Length == _pending.Length
        && (Vectors % 64 == 0 || state.Pending[^1] >> (Vectors % 64) == 0);

    /// <summary>
    /// Takes a state over that <see cref="Fits"/>. Nothing is sent: what was pending stays so until the guest unmasks it.
    /// </summary>
    internal void LoadState(MsixState state, ushort control)
    {
        lock (_gate)
        {
            state.Table.CopyTo(_words, 0);
            state.Pending.CopyTo(_pending, 0);
            _control = control;
        }
    }
}
