namespace Strata.Core.Display;

/// <summary>The characters of a text mode at a moment.</summary>
/// <param name="Columns">Characters a row.</param>
/// <param name="Cells">
/// Row by row, the adapter's own words: the character's code in the low byte (code page 437 where the guest loaded no other font), attributes
/// in the high one: foreground in bits 0 to 3, background in bits 4 to 7.
/// </param>
/// <param name="CursorColumn">Where the cursor is.</param>
/// <param name="CursorRow">Where the cursor is.</param>
/// <param name="IsCursorShown">Whether it is to be seen.</param>
public sealed record ScreenText(int Columns, ReadOnlyMemory<ushort> Cells, int CursorColumn, int CursorRow, bool IsCursorShown)
{
    /// <summary>How many rows there are.</summary>
    public int Rows => Columns == 0 ? 0 : Cells.Length / Columns;

    /// <summary>The cells of one row.</summary>
    public ReadOnlySpan<ushort> Row(int row) => Cells.Span.Slice(row * Columns, Columns);
}
