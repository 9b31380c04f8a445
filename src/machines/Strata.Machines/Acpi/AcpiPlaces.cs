namespace Strata.Machines.Acpi;

/// <summary>Where in an image of ACPI tables the tables lie, and the pointers from one to another.</summary>
internal sealed class AcpiPlaces
{
    private readonly List<(int Offset, int Length)> _tables = [];
    private readonly List<(int Offset, int Size)> _pointers = [];

    /// <summary>Tables that have a checksum, which is their tenth byte; in bytes from the image's start.</summary>
    public IReadOnlyList<(int Offset, int Length)> Tables => _tables;

    /// <summary>Pointers to tables, of 4 or 8 bytes; in bytes from the image's start.</summary>
    public IReadOnlyList<(int Offset, int Size)> Pointers => _pointers;

    public void AddTable(int offset, int length) => _tables.Add((offset, length));

    /// <param name="table">Offset of the table that has them.</param>
    /// <param name="pointers">In bytes from the table's start.</param>
    public void AddPointers(ulong table, params ReadOnlySpan<(int Offset, int Size)> pointers)
    {
        foreach ((int offset, int size) in pointers)
        {
            _pointers.Add(((int)table + offset, size));
        }
    }
}
