namespace Strata.Core.State;

/// <summary>
/// The units of a machine, in the order in which they are reset and loaded; names are unique. Built on one thread with the machine,
/// then read only.
/// </summary>
public sealed class UnitRoster
{
    /// <summary>Bytes of the largest record that a unit may have.</summary>
    public const int LargestRecord = 64 << 20;

    private readonly List<IUnit> _units = [];

    public IReadOnlyList<IUnit> Units => _units;

    /// <exception cref="ArgumentException">There is a unit of this name.</exception>
    public void Add(IUnit unit)
    {
        ArgumentNullException.ThrowIfNull(unit);
        if (_units.Exists(other => other.UnitName == unit.UnitName))
        {
            throw new ArgumentException($"The machine has two units named {unit.UnitName}.", nameof(unit));
        }

        _units.Add(unit);
    }

    /// <summary>Quiesces all units, the last one first: what produces work for others comes behind them in the roster.</summary>
    public void Quiesce()
    {
        for (int i = _units.Count - 1; i >= 0; i--)
        {
            _units[i].Quiesce();
        }
    }

    public void Resume() => _units.ForEach(unit => unit.Resume());

    /// <summary>Resets all units; they have been quiesced.</summary>
    /// <param name="kept">A unit that stays as it is; null for none.</param>
    public void Reset(IUnit? kept = null)
    {
        foreach (IUnit unit in _units)
        {
            if (!ReferenceEquals(unit, kept))
            {
                unit.Reset();
            }
        }
    }

    /// <summary>One record a unit, by its name; the units have been quiesced.</summary>
    public IReadOnlyList<UnitRecord> Save() => [.. _units.Select(Save)];

    /// <summary>
    /// Loads a machine's records. All of them have to be there but for those of units that older machines did not have, and no others: what
    /// a machine does not know, it would lose.
    /// </summary>
    /// <exception cref="StateException">A record does not fit. Units before it have been loaded: the machine must not run.</exception>
    public void Load(IReadOnlyCollection<UnitRecord> records)
    {
        Dictionary<string, UnitRecord> byName = ByName(records);
        foreach (IUnit unit in _units)
        {
            if (byName.TryGetValue(unit.UnitName, out UnitRecord? record))
            {
                Load(unit, record);
            }
            else
            {
                unit.Reset();
            }
        }
    }

    /// <summary>
    /// Reads a machine's records, and changes nothing. Loading them may still fail, for a record that does not fit the unit's
    /// configuration.
    /// </summary>
    /// <exception cref="StateException">One is damaged, missing or unknown.</exception>
    public void Check(IReadOnlyCollection<UnitRecord> records)
    {
        Dictionary<string, UnitRecord> byName = ByName(records);
        foreach (IUnit unit in _units)
        {
            if (byName.TryGetValue(unit.UnitName, out UnitRecord? record))
            {
                unit.Check(new StateReader(record.Bytes, unit.UnitName));
            }
        }
    }

    /// <summary>Why records of units by these names cannot be a machine's like this, as a sentence; null if they can.</summary>
    public string? FindMismatch(IReadOnlyCollection<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (_units.Find(unit => !unit.MayBeAbsent && !names.Contains(unit.UnitName)) is { } missing)
        {
            return $"The saved state has no record of {missing.UnitName}, which this machine has.";
        }

        return names.FirstOrDefault(name => !_units.Exists(unit => unit.UnitName == name)) is { } unknown
            ? $"The saved state has a record of {unknown}, which this machine does not have."
            : null;
    }

    /// <exception cref="StateException">They cannot be of a machine like this.</exception>
    private Dictionary<string, UnitRecord> ByName(IReadOnlyCollection<UnitRecord> records)
    {
        ArgumentNullException.ThrowIfNull(records);
        Dictionary<string, UnitRecord> byName = [];
        foreach (UnitRecord record in records)
        {
            if (!byName.TryAdd(record.UnitName, record))
            {
                throw new StateException($"The saved state has two records of {record.UnitName}.");
            }
        }

        if (FindMismatch(byName.Keys) is { } mismatch)
        {
            throw new StateException(mismatch);
        }

        return byName;
    }

    private static void Load(IUnit unit, UnitRecord record)
    {
        StateReader reader = new(record.Bytes, unit.UnitName);
        unit.Load(reader);
        if (reader.Remaining != 0)
        {
            throw reader.Refuse("its record", $"has {reader.Remaining} bytes too many");
        }
    }

    private static UnitRecord Save(IUnit unit)
    {
        StateWriter writer = new();
        unit.Save(writer);
        return new UnitRecord(unit.UnitName, writer.ToArray());
    }
}
