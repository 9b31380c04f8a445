using Strata.Core.Input;

namespace Strata.Devices.Input;

/// <summary>
/// A PS/2 keyboard with three sets of scan codes. Under its controller's lock. IBM PS/2 Hardware Interface Technical Reference, "Keyboard".
/// </summary>
internal sealed class Ps2Keyboard
{
    internal const int OutputLimit = 16;
    internal const int LongestCode = 8;

    private const byte Acknowledge = 0xFA;
    private const byte Echo = 0xEE;
    private const byte Resend = 0xFE;
    private const byte SelfTestPassed = 0xAA;
    private const byte RateAtReset = 0x2B;
    private const byte FirstCommand = 0xED;

    /// <summary>Scan codes of set 3, as commands name them.</summary>
    internal const int CodeCount = 256;

    public Queue<byte> Output { get; } = new();

    /// <summary>Command that waits for its data; 0 for none.</summary>
    public byte Pending { get; set; }

    public byte Set { get; set; } = 2;

    public bool IsEnabled { get; set; } = true;

    public byte Lamps { get; set; }

    /// <summary>
    /// How keys repeat.
    /// <code>
    /// 6:5 delay, (n + 1) · 250 ms   4:3, 2:0 period, (8 + low) · 2^high / 240 s
    /// </code>
    /// </summary>
    public byte Rate { get; set; } = RateAtReset;

    public byte LastSent { get; set; }

    /// <summary>
    /// What keys do in set 3, by their codes. All break and repeat at reset, whereas IBM's keyboard has a kind for each: systems that use
    /// the set choose for themselves.
    /// </summary>
    public KeyModes[] Modes { get; } = NewModes();

    /// <summary>Nanoseconds until a key that is held repeats for the first time, and from then on.</summary>
    public long RepeatDelay => (((Rate >> 5) & 3) + 1) * 250_000_000L;

    public long RepeatPeriod => ((8L + (Rate & 7)) << ((Rate >> 3) & 3)) * 1_000_000_000 / 240;

    /// <summary>Whether a key repeats while it is held.</summary>
    public bool Repeats(KeyCode key) =>
        Set == 3 ? (Modes[ScanCodes.OfSetThree(key)] & KeyModes.Repeats) != 0 : key != KeyCode.Pause;

    public void Reset()
    {
        Output.Clear();
        Lamps = 0;
        Pending = 0;
        LastSent = 0;
        SetDefaults();
    }

    /// <returns>False if there is no room for it.</returns>
    public bool TryType(KeyCode key, bool pressed)
    {
        if (!IsEnabled)
        {
            return true; // nobody looks
        }

        if (Set == 3 && !pressed && (Modes[ScanCodes.OfSetThree(key)] & KeyModes.Breaks) == 0)
        {
            return true;
        }

        byte[] code = ScanCodes.Of(key, pressed, Set);
        if (Output.Count + code.Length > OutputLimit)
        {
            return false;
        }

        Array.ForEach(code, Output.Enqueue);
        return true;
    }

    public byte Take() => LastSent = Output.Dequeue();

    /// <summary>A byte of the host's.</summary>
    public void Write(byte value)
    {
        if (Pending != 0 && value < FirstCommand)
        {
            WriteParameter(value);
            return;
        }

        Pending = 0;
        switch (value)
        {
            case Echo:
                Push(Echo);
                break;
            case Resend:
                Push(LastSent);
                break;
            case 0xED or 0xF0 or 0xF3 or 0xFB or 0xFC or 0xFD:
                Pending = value;
                Push(Acknowledge);
                break;
            case 0xF2:
                Push(Acknowledge, 0xAB, 0x83);
                break;
            case 0xF4:
                Output.Clear();
                IsEnabled = true;
                Push(Acknowledge);
                break;
            case 0xF5 or 0xF6:
                Output.Clear();
                SetDefaults();
                IsEnabled = value == 0xF6;
                Push(Acknowledge);
                break;
            case 0xF7 or 0xF8 or 0xF9 or 0xFA:
                Array.Fill(Modes, ModesOf(value));
                Push(Acknowledge);
                break;
            case 0xFF:
                Reset();
                Push(Acknowledge, SelfTestPassed);
                break;
            default:
                Push(Acknowledge);
                break;
        }
    }

    private void SetDefaults()
    {
        Set = 2;
        Rate = RateAtReset;
        IsEnabled = true;
        Array.Fill(Modes, KeyModes.Breaks | KeyModes.Repeats);
    }

    /// <summary>What commands make of all keys, and of single ones.</summary>
    private static KeyModes ModesOf(byte command) => command switch
    {
        0xF7 or 0xFB => KeyModes.Repeats,
        0xF8 or 0xFC => KeyModes.Breaks,
        0xFA => KeyModes.Breaks | KeyModes.Repeats,
        _ => KeyModes.None,
    };

    private static KeyModes[] NewModes()
    {
        KeyModes[] modes = new KeyModes[CodeCount];
        Array.Fill(modes, KeyModes.Breaks | KeyModes.Repeats);
        return modes;
    }

    private void WriteParameter(byte value)
    {
        byte command = Pending;
        Pending = command is 0xFB or 0xFC or 0xFD ? command : (byte)0; // any number of keys, until the next command
        Push(Acknowledge);
        switch (command)
        {
            case 0xED:
                Lamps = (byte)(value & 7);
                break;
            case 0xF0 when value == 0:
                Push(Set);
                break;
            case 0xF0 when value <= 3:
                Set = value;
                break;
            case 0xF3:
                Rate = (byte)(value & 0x7F);
                break;
            case 0xFB or 0xFC or 0xFD:
                Modes[value] = ModesOf(command);
                break;
            default:
                break;
        }
    }

    private void Push(params ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            if (Output.Count < OutputLimit)
            {
                Output.Enqueue(value);
            }
        }
    }
}
