namespace Strata.Devices.Display;

/// <summary>
/// The registers of the Bochs display interface, through which a guest sets modes beyond the VGA's: 16 bits each, index at port 1CEh, data
/// at 1CFh. Bochs documentation, "VBE DISPI Interface".
/// <code>
/// 0 ID  1 XRES  2 YRES  3 BPP  4 ENABLE (0 enabled  1 capabilities  5 8-bit DAC  6 linear  7 keep memory)  5 BANK (of 64 KiB)
/// 6 VIRT_WIDTH  7 VIRT_HEIGHT  8 X_OFFSET  9 Y_OFFSET  Ah memory in units of 64 KiB
/// </code>
/// </summary>
/// <param name="memorySize">Bytes of video memory.</param>
internal sealed class VbeRegisters(int memorySize)
{
    public const int Count = 11;
    public const ushort NewestId = 0xB0C5;

    private const ushort OldestId = 0xB0C0;
    private const int Id = 0;
    private const int XRes = 1;
    private const int YRes = 2;
    private const int Bpp = 3;
    private const int Enable = 4;
    private const int BankIndex = 5;
    private const int VirtualWidth = 6;
    private const int VirtualHeight = 7;
    private const int XOffset = 8;
    private const int YOffset = 9;
    private const int Memory = 10;
    private const ushort Enabled = 1 << 0;
    private const ushort Capabilities = 1 << 1;
    private const ushort WideDac = 1 << 5;
    private const ushort NoClear = 1 << 7;
    private const ushort LargestWidth = 2560;
    private const ushort LargestHeight = 1600;

    private readonly ushort[] _values = AtReset();

    public static ushort[] AtReset() => [NewestId, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    public bool IsEnabled => (_values[Enable] & Enabled) != 0;

    public bool HasWideDac => (_values[Enable] & WideDac) != 0;

    public int Width => _values[XRes];

    public int Height => _values[YRes];

    public int BitsPerPixel => _values[Bpp];

    /// <summary>Bytes from the start of the memory to the window at A0000H.</summary>
    public int BankStart => _values[BankIndex] << 16;

    /// <summary>Bytes from one line to the next.</summary>
    public int LineBytes => BytesOf(_values[VirtualWidth]);

    /// <summary>Bytes from the start of the memory to the first pixel.</summary>
    public long Start => ((long)_values[YOffset] * LineBytes) + BytesOf(_values[XOffset]);

    public ReadOnlySpan<ushort> Values => _values;

    public void Load(ReadOnlySpan<ushort> values) => values.CopyTo(_values);

    /// <summary>Whether values could have come about by writes to the registers of a memory of this size.</summary>
    public static bool AreValid(ReadOnlySpan<ushort> values, int memorySize)
    {
        VbeRegisters wanted = new(memorySize);
        wanted.Load(values);
        bool isMode = wanted is { Width: <= LargestWidth, Height: <= LargestHeight, BitsPerPixel: 0 or 4 or 8 or 15 or 16 or 24 or 32 }
            && wanted.Width % 8 == 0 && wanted.BankStart < memorySize;
        return isMode && (!wanted.IsEnabled
            || (wanted is { Width: > 0, Height: > 0, BitsPerPixel: > 0 }
                && wanted._values[VirtualWidth] >= wanted.Width
                && wanted.Start + ((long)wanted.LineBytes * (wanted.Height - 1)) + wanted.BytesOf(wanted._values[XRes]) <= memorySize));
    }

    public ushort Read(int index)
    {
        if (index == Memory)
        {
            return (ushort)(memorySize >> 16);
        }

        if ((uint)index >= Count)
        {
            return 0;
        }

        bool asks = (_values[Enable] & Capabilities) != 0;
        return index switch
        {
            XRes when asks => LargestWidth,
            YRes when asks => LargestHeight,
            Bpp when asks => 32,
            _ => _values[index],
        };
    }

    /// <returns>True if the mode was switched on, and its memory is to be cleared.</returns>
    public bool Write(int index, ushort value)
    {
        switch (index)
        {
            case Id when value is >= OldestId and <= NewestId:
                _values[Id] = value;
                break;
            case XRes when value is > 0 and <= LargestWidth && (value & 7) == 0:
            case YRes when value is > 0 and <= LargestHeight:
            case Bpp when value is 0 or 4 or 8 or 15 or 16 or 24 or 32:
                if (!IsEnabled)
                {
                    _values[index] = value == 0 ? (ushort)8 : value;
                }

                break;
            case BankIndex:
                _values[BankIndex] = (ushort)(value % Math.Max(memorySize >> 16, 1));
                break;
            case VirtualWidth or XOffset or YOffset when IsEnabled:
                _values[index] = value;
                Settle();
                break;
            case Enable:
                return WriteEnable(value);
            default:
                break;
        }

        return false;
    }

    private static ushort Fit(long value, long least, long most) => (ushort)Math.Clamp(value, least, Math.Max(most, least));

    private bool WriteEnable(ushort value)
    {
        bool begins = !IsEnabled && (value & Enabled) != 0;
        _values[Enable] = value;
        if (!begins)
        {
            return false;
        }

        if (Width == 0 || Height == 0 || BitsPerPixel == 0 || (long)BytesOf(_values[XRes]) * Height > memorySize)
        {
            _values[Enable] &= unchecked((ushort)~Enabled); // no mode that this memory could hold
            return false;
        }

        _values[VirtualWidth] = _values[XRes];
        (_values[XOffset], _values[YOffset], _values[BankIndex]) = (0, 0, 0);
        Settle();
        return (value & NoClear) == 0;
    }

    /// <summary>Brings a virtual screen and its offsets to what the memory holds.</summary>
    private void Settle()
    {
        long widest = Math.Min((long)memorySize / Height / Math.Max(BytesOf(8), 1) * 8, ushort.MaxValue & ~7);
        _values[VirtualWidth] = Fit(_values[VirtualWidth] & ~7, Width, widest);
        long highest = Math.Min(memorySize / LineBytes, ushort.MaxValue);
        _values[VirtualHeight] = (ushort)highest;
        _values[XOffset] = Fit(_values[XOffset], 0, _values[VirtualWidth] - Width);
        _values[YOffset] = Fit(_values[YOffset], 0, highest - Height);
    }

    /// <summary>Bytes of so many pixels; planes lie side by side.</summary>
    private int BytesOf(int pixels) => BitsPerPixel switch
    {
        4 => pixels / 2,
        15 => pixels * 2,
        var bits => pixels * (bits / 8),
    };
}
