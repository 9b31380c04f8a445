using Strata.Core.Input;

namespace Strata.Devices.Input;

/// <summary>
/// A PS/2 mouse with three buttons, and a wheel for drivers that ask for it. Under its controller's lock. IBM PS/2 Hardware Interface
/// Technical Reference, "Mouse"; Microsoft, <i>IntelliMouse</i>: sample rates 200, 100 and 80 one after the other turn the wheel on.
/// <code>
/// packet: 0  7, 6 overflow  5, 4 signs of y, x  3 one  2..0 middle, right, left     1 x     2 y, upwards     3 wheel
/// </code>
/// </summary>
internal sealed class Ps2Mouse
{
    internal const int OutputLimit = 16;
    internal const int MostMotion = 1 << 20;

    private const byte Acknowledge = 0xFA;
    private const byte WheelKind = 3;
    private const int PacketSize = 4;
    private const int LargestStep = 255;

    public Queue<byte> Output { get; } = new();

    /// <summary>Command that waits for its data; 0 for none.</summary>
    public byte Pending { get; set; }

    /// <summary>Packets are sent by themselves.</summary>
    public bool IsEnabled { get; set; }

    public bool IsRemote { get; set; }

    public bool IsWrapping { get; set; }

    public bool IsDoubled { get; set; }

    public byte SampleRate { get; set; } = 100;

    public byte Resolution { get; set; } = 2;

    /// <summary>0, or 3 with a wheel.</summary>
    public byte Kind { get; set; }

    /// <summary>Steps of the sequence that turns the wheel on.</summary>
    public byte Knock { get; set; }

    public int X { get; set; }

    public int Y { get; set; }

    public int Wheel { get; set; }

    public byte Buttons { get; set; }

    /// <summary>Buttons that the last packet told.</summary>
    public byte ToldButtons { get; set; }

    public byte LastSent { get; set; }

    public void Reset()
    {
        Output.Clear();
        (Pending, Kind, Knock, IsWrapping, LastSent) = (0, 0, 0, false, 0);
        SetDefaults();
    }

    public void Move(int x, int y, int wheel, byte buttons)
    {
        X = Math.Clamp(X + Math.Clamp(x, -MostMotion, MostMotion), -MostMotion, MostMotion);
        Y = Math.Clamp(Y - Math.Clamp(y, -MostMotion, MostMotion), -MostMotion, MostMotion);
        Wheel = Math.Clamp(Wheel + Math.Clamp(wheel, -MostMotion, MostMotion), -MostMotion, MostMotion);
        Buttons = buttons;
        SendWhatHappened();
    }

    public byte Take()
    {
        LastSent = Output.Dequeue();
        if (Output.Count == 0)
        {
            SendWhatHappened();
        }

        return LastSent;
    }

    /// <summary>A byte of the host's.</summary>
    public void Write(byte value)
    {
        if (IsWrapping && value is not (0xEC or 0xFF))
        {
            Push(value);
            return;
        }

        if (Pending != 0)
        {
            WriteParameter(value);
            return;
        }

        switch (value)
        {
            case 0xE6 or 0xE7:
                IsDoubled = value == 0xE7;
                Push(Acknowledge);
                break;
            case 0xE8 or 0xF3:
                Pending = value;
                Push(Acknowledge);
                break;
            case 0xE9:
                Push(Acknowledge, DescribeStatus(), Resolution, SampleRate);
                break;
            case 0xEA or 0xF0:
                IsRemote = value == 0xF0;
                Push(Acknowledge);
                break;
            case 0xEB:
                Push(Acknowledge);
                SendPacket();
                break;
            case 0xEC or 0xEE:
                IsWrapping = value == 0xEE;
                Push(Acknowledge);
                break;
            case 0xF2:
                Push(Acknowledge, Kind);
                break;
            case 0xF4 or 0xF5:
                IsEnabled = value == 0xF4;
                Push(Acknowledge);
                break;
            case 0xF6:
                SetDefaults();
                Push(Acknowledge);
                break;
            case 0xFE:
                Push(LastSent);
                break;
            case 0xFF:
                Reset();
                Push(Acknowledge, 0xAA, 0x00);
                break;
            default:
                Push(Acknowledge);
                break;
        }
    }

    private void SetDefaults()
    {
        (SampleRate, Resolution, IsDoubled, IsRemote, IsEnabled) = (100, 2, false, false, false);
        (X, Y, Wheel, ToldButtons) = (0, 0, 0, Buttons);
    }

    private byte DescribeStatus() =>
        (byte)((IsRemote ? 0x40 : 0) | (
            IsEnabled ? 0x20 : 0) | (IsDoubled ? 0x10 : 0) | (Buttons & 1) << 2 | (Buttons & 2) >> 1 | (Buttons & 4) >> 1);

    private void WriteParameter(byte value)
    {
        if (Pending == 0xE8)
        {
            Resolution = (byte)(value & 3);
        }
        else
        {
            SampleRate = value;
            Knock = (Knock, value) switch { (_, 200) => 1, (1, 100) => 2, (2, 80) => 3, _ => 0 };
            Kind = Knock == 3 ? WheelKind : Kind;
        }

        Pending = 0;
        Push(Acknowledge);
    }

    /// <summary>One packet at a time: what happens while it waits adds up.</summary>
    private void SendWhatHappened()
    {
        bool something = X != 0 || Y != 0 || (Wheel != 0 && Kind == WheelKind) || Buttons != ToldButtons;
        if (IsEnabled && !IsRemote && something && Output.Count == 0)
        {
            SendPacket();
        }
    }

    private void SendPacket()
    {
        if (Output.Count + PacketSize > OutputLimit)
        {
            return;
        }

        int x = Math.Clamp(X, -LargestStep, LargestStep);
        int y = Math.Clamp(Y, -LargestStep, LargestStep);
        (X, Y) = (X - x, Y - y);
        Push((byte)(8 | (Buttons & 7) | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0)), (byte)x, (byte)y);
        ToldButtons = Buttons;
        if (Kind == WheelKind)
        {
            int wheel = Math.Clamp(Wheel, -8, 7);
            Wheel -= wheel;
            Push((byte)wheel);
        }
        else
        {
            Wheel = 0;
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
