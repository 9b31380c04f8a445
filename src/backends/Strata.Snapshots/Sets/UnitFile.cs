using Strata.Core.State;

namespace Strata.Snapshots.Sets;

/// <summary>
/// The file <c>units.bin</c>: a record for each unit of the machine.
/// <code>
/// text "STRATA-UNITS"   u16 layout   i32 number of units   { text name   bytes record } each
/// </code>
/// Texts and bytes stand behind their length, as <see cref="StateWriter"/> has them.
/// </summary>
internal static class UnitFile
{
    private const string Magic = "STRATA-UNITS";
    private const ushort Layout = 1;
    private const int MostUnits = 1024;
    private const int LongestName = 64;

    /// <summary>Bytes of the largest file.</summary>
    public const int Largest = 256 << 20;

    public static byte[] Write(IReadOnlyCollection<UnitRecord> units)
    {
        StateWriter writer = new();
        writer.WriteText(Magic);
        writer.Write(Layout);
        writer.Write(units.Count);
        foreach (UnitRecord unit in units)
        {
            writer.WriteText(unit.UnitName);
            writer.WriteBytes(unit.Bytes.Span);
        }

        return writer.ToArray();
    }

    /// <exception cref="StateException">It is damaged, or of a newer layout.</exception>
    public static IReadOnlyList<UnitRecord> Read(byte[] bytes)
    {
        StateReader reader = new(bytes, "the machine");
        if (reader.ReadText("mark", LongestName) != Magic)
        {
            throw reader.Refuse("its first bytes", "are not those of a unit file");
        }

        reader.Read("layout", Layout, Layout);
        int count = reader.Read("number of units", 0, MostUnits);
        List<UnitRecord> units = [];
        for (int i = 0; i < count; i++)
        {
            string name = reader.ReadText("unit's name", LongestName);
            units.Add(new UnitRecord(name, reader.ReadBytes(name, UnitRoster.LargestRecord)));
        }

        return reader.Remaining == 0 ? units : throw reader.Refuse("its end", $"has {reader.Remaining} bytes too many");
    }
}
