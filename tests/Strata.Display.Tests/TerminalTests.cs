using System.Text;
using Strata.Core.Display;
using Strata.Display.Text;

namespace Strata.Display.Tests;

/// <summary>A screen's text in a terminal, and a terminal's keys.</summary>
public sealed class TerminalTests
{
    [Fact]
    public void Paint_LineChanged_PaintsThatLineOnly()
    {
        TerminalPainter painter = new();
        ushort[] cells = [.. "abcd".Select(c => (ushort)(0x0700 | c))];
        painter.Paint(new ScreenText(2, 2, cells, Cursor: 0), 18, 32);

        string changed = Encoding.UTF8.GetString(
            painter.Paint(new ScreenText(2, 2, [cells[0], cells[1], 0x1EB0, cells[3]], Cursor: null), 18, 32).Span);

        Assert.Equal("\e[2;1H\e[93;44m░\e[37;40md\e[0m\e[?25l", changed); // yellow on blue
    }

    [Fact]
    public void Paint_GraphicsAndBack_SaysSoOnceAndPaintsEverythingAgain()
    {
        TerminalPainter painter = new();
        ScreenText text = new(1, 1, [0x0741], Cursor: 0);
        painter.Paint(text, 9, 16);

        string graphics = Encoding.UTF8.GetString(painter.Paint(null, 640, 480).Span);
        bool isSilent = painter.Paint(null, 640, 480).IsEmpty;
        string back = Encoding.UTF8.GetString(painter.Paint(text, 9, 16).Span);

        Assert.Contains("640 x 480", graphics, StringComparison.Ordinal);
        Assert.True(isSilent);
        Assert.Contains("A", back, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a", "+A -A")]
    [InlineData("A", "+ShiftLeft +A -A -ShiftLeft")]
    [InlineData("\r", "+Enter -Enter")]
    [InlineData("\u007f", "+Backspace -Backspace")]
    [InlineData("\u0003", "+ControlLeft +C -C -ControlLeft")]
    [InlineData("\e", "+Escape -Escape")]
    [InlineData("\e\e", "+Escape -Escape +Escape -Escape")]
    [InlineData("\ex", "+AltLeft +X -X -AltLeft")]
    [InlineData("\e[A", "+Up -Up")]
    [InlineData("\eOP", "+F1 -F1")]
    [InlineData("\e[24~q", "+F12 -F12 +Q -Q")]
    [InlineData("ä", "")]
    public void Read_BytesOfATerminal_AreKeys(string text, string expected)
    {
        string keys = string.Join(' ', TerminalKeys.Read(Encoding.UTF8.GetBytes(text))
            .SelectMany(stroke => stroke).Select(change => $"{(change.Pressed ? '+' : '-')}{change.Key}"));

        Assert.Equal(expected, keys);
    }
}
