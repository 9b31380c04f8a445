using System.Text;

namespace Strata.Core.Display;

/// <summary>What a text mode shows.</summary>
/// <param name="Columns">Characters of a line.</param>
/// <param name="Rows">Lines.</param>
/// <param name="Cells">Line by line: the character's code, and its attribute in the upper byte (3..0 foreground, 7..4 background).</param>
/// <param name="Cursor">Cell that the cursor is at; null if it does not show.</param>
public sealed record ScreenText(int Columns, int Rows, IReadOnlyList<ushort> Cells, int? Cursor)
{
    /// <summary>The character of a cell.</summary>
    public char this[int column, int row] => CodePage437.ToChar((byte)Cells[(row * Columns) + column]);

    /// <summary>The lines in their whole width.</summary>
    public IEnumerable<string> Lines => Enumerable.Range(0, Rows)
        .Select(row => string.Concat(Enumerable.Range(0, Columns).Select(column => this[column, row])));

    /// <summary>The lines, without the blanks at their ends, each with a line feed.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        foreach (string line in Lines)
        {
            text.Append(line.TrimEnd(' ')).Append('\n');
        }

        return text.ToString();
    }
}
