using static Strata.Devices.Display.VgaRegisters;

namespace Strata.Devices.Display;

/// <summary>What the CRT controller makes of its registers: how much shows, and from where in memory.</summary>
internal readonly ref struct VgaGeometry(ReadOnlySpan<byte> crtc)
{
    private readonly ReadOnlySpan<byte> _crtc = crtc;

    /// <summary>Characters of a line, or groups of eight dots.</summary>
    public int Columns => _crtc[HorizontalEnd] + 1;

    /// <summary>Lines of the beam, those that are drawn twice counted once.</summary>
    public int Lines => ((_crtc[VerticalEnd] | ((_crtc[Overflow] & 0x02) << 7) | ((_crtc[Overflow] & 0x40) << 3)) + 1) >> DoubleShift;

    /// <summary>Lines of a row of characters; in graphics modes, how often one is repeated.</summary>
    public int RowLines => (_crtc[MaximumScan] & 0x1F) + 1;

    /// <summary>First byte of a plane that shows.</summary>
    public int Start => (_crtc[StartHigh] << 8) | _crtc[StartLow];

    /// <summary>Bytes of a plane from one row to the next.</summary>
    public int Pitch => _crtc[Offset] * 2;

    /// <summary>Byte of a plane that the cursor is at.</summary>
    public int Cursor => (_crtc[CursorHigh] << 8) | _crtc[CursorLow];

    /// <summary>Lines within a row are in banks of their own, as in the modes that a CGA has.</summary>
    public bool HasBanks => (_crtc[ModeControl] & 3) != 3;

    private int DoubleShift => (_crtc[MaximumScan] & DoubleScan) != 0 ? 1 : 0;

    /// <summary>Line behind which memory shows from its start again.</summary>
    private int Split => (_crtc[LineCompare] | ((_crtc[Overflow] & 0x10) << 4) | ((_crtc[MaximumScan] & 0x40) << 3)) >> DoubleShift;

    /// <summary>Rows that show in a graphics mode: repeated lines are left out.</summary>
    public int GraphicsRows => HasBanks ? Lines : Lines / RowLines;

    /// <summary>First byte of a plane of a row of <see cref="GraphicsRows"/>.</summary>
    public int AddressOf(int row)
    {
        int line = HasBanks ? row : row * RowLines;
        bool isBelow = line > Split;
        int shown = isBelow ? line - Split - 1 : line;
        int address = (isBelow ? 0 : Start) + (shown / RowLines * Pitch);
        int scan = shown % RowLines;
        if ((_crtc[ModeControl] & 1) == 0)
        {
            int bit = (_crtc[ModeControl] & 0x40) != 0 ? 13 : 12;
            address = (address & ~(1 << bit)) | ((scan & 1) << bit);
        }

        if ((_crtc[ModeControl] & 2) == 0)
        {
            address = (address & ~(1 << 13)) | ((scan & 2) << 12);
        }

        return address;
    }

    /// <summary>First byte of a plane of a row of characters.</summary>
    public int AddressOfText(int row)
    {
        int line = row * RowLines;
        return line > Split ? (line - Split - 1) / RowLines * Pitch : Start + (row * Pitch);
    }
}
