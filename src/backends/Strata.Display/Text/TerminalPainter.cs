using System.Globalization;
using System.Text;
using Strata.Core.Display;

namespace Strata.Display.Text;

/// <summary>
/// Paints a text screen in a terminal, with the control sequences of ECMA-48, on the terminal's other page: what was there before returns
/// at the end. Lines that did not change are not painted again. Not safe for several threads.
/// </summary>
public sealed class TerminalPainter
{
    private const string Csi = "\e[";
    private const string Enter = Csi + "?1049h" + Csi + "?7l"; // other page, no wrap at its edge
    private const string Home = Csi + "0m" + Csi + "2J" + Csi + "H";
    private const string Exit = Csi + "0m" + Csi + "?7h" + Csi + "?25h" + Csi + "?1049l";

    /// <summary>A VGA counts blue, green and red from bit 0, a terminal red, green and blue.</summary>
    private static readonly int[] Colours = [0, 4, 2, 6, 1, 5, 3, 7];

    private readonly StringBuilder _output = new();
    private ScreenText? _shown;
    private (int Width, int Height)? _graphics; // that the terminal was told of
    private bool _hasEntered;

    /// <summary>What brings the terminal up to date.</summary>
    /// <param name="text">The screen's; null where there is none.</param>
    /// <param name="width">Of the picture, in pixels, which a terminal is told of where there is no text.</param>
    public ReadOnlyMemory<byte> Paint(ScreenText? text, int width, int height)
    {
        _output.Clear();
        if (!_hasEntered)
        {
            _output.Append(Enter);
            _hasEntered = true;
        }

        if (text is null)
        {
            PaintNotice(width, height);
        }
        else
        {
            PaintText(text);
        }

        return Encoding.UTF8.GetBytes(_output.ToString());
    }

    /// <summary>What brings the terminal back to what it was.</summary>
    public ReadOnlyMemory<byte> Leave() => _hasEntered ? Encoding.ASCII.GetBytes(Exit) : default;

    private void PaintNotice(int width, int height)
    {
        if (_graphics == (width, height))
        {
            return;
        }

        (_graphics, _shown) = ((width, height), null);
        _output.Append(
            CultureInfo.InvariantCulture,
            $"{Home}Graphics of {width} x {height}: --display vnc shows them, strata screen --png takes a picture.");
    }

    private void PaintText(ScreenText text)
    {
        bool isNew = _shown is null || _shown.Columns != text.Columns || _shown.Rows != text.Rows;
        if (isNew)
        {
            _output.Append(Home);
        }

        for (int row = 0; row < text.Rows; row++)
        {
            if (isNew || !IsSameRow(text, row))
            {
                PaintRow(text, row);
            }
        }

        if (text.Cursor is { } cursor && text.Columns > 0)
        {
            _output.Append(CultureInfo.InvariantCulture, $"{Csi}{(cursor / text.Columns) + 1};{(cursor % text.Columns) + 1}H{Csi}?25h");
        }
        else
        {
            _output.Append(Csi + "?25l");
        }

        (_graphics, _shown) = (null, text);
    }

    private bool IsSameRow(ScreenText text, int row)
    {
        for (int cell = row * text.Columns; cell < (row + 1) * text.Columns; cell++)
        {
            if (text.Cells[cell] != _shown!.Cells[cell])
            {
                return false;
            }
        }

        return true;
    }

    private void PaintRow(ScreenText text, int row)
    {
        _output.Append(CultureInfo.InvariantCulture, $"{Csi}{row + 1};1H");
        int attribute = -1;
        for (int column = 0; column < text.Columns; column++)
        {
            int cell = text.Cells[(row * text.Columns) + column] >> 8;
            if (cell != attribute)
            {
                attribute = cell;
                AppendColours(attribute);
            }

            _output.Append(text[column, row]);
        }

        _output.Append(Csi + "0m");
    }

    private void AppendColours(int attribute)
    {
        int front = Colours[attribute & 7] + ((attribute & 8) != 0 ? 90 : 30);
        int back = Colours[(attribute >> 4) & 7] + 40;
        _output.Append(CultureInfo.InvariantCulture, $"{Csi}{front};{back}m");
    }
}
