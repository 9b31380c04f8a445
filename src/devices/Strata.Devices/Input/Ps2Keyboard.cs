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

    public Queue<byte> Output { get; } = new();

    /// <summary>Command that waits for its data; 0 for none.</summary>
    public byte Pending { get; set; }

    public byte Set { get; set; } = 2;

    public bool IsEnabled { get; set; } = true;

    public byte Lamps { get; set; }

    /// <summary>How keys repeat; kept for the guest, as whoever types repeats.</summary>
    public byte Rate { get; set; } = RateAtReset;

    public byte LastSent { get; set; }

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
        if (Pending != 0 && value < 0xED)
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
    }

    private void WriteParameter(byte value)
    {
        byte command = Pending;
        Pending = 0;
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
            default:
                break; // single keys of set 3 are not told apart
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
