using Strata.Core.State;

namespace Strata.Devices.Input;

/// <summary>State of a keyboard.</summary>
public sealed class Ps2KeyboardState : IStateRecord<Ps2KeyboardState>
{
    /// <summary>Version 1 had no single keys of set 3.</summary>
    public static ushort Version => 2;

    /// <summary>Bytes that the controller has not taken, the next one first.</summary>
    public required byte[] Output { get; set; }

    /// <summary>The command that waits for its data; 0 for none.</summary>
    public required byte Pending { get; set; }

    /// <summary>Set of scan codes.</summary>
    public required byte Set { get; set; }

    public required bool IsEnabled { get; set; }

    public required byte Lamps { get; set; }

    public required byte Rate { get; set; }

    public required byte LastSent { get; set; }

    /// <summary>Of the 256 codes of set 3: bit 0 breaks, bit 1 repeats.</summary>
    public required byte[] Modes { get; set; }

    public static Ps2KeyboardState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Ps2KeyboardState
        {
            Output = reader.ReadArray<byte>(nameof(Output), Ps2Keyboard.OutputLimit),
            Pending = reader.Read<byte>(nameof(Pending)),
            Set = reader.Read<byte>(nameof(Set), 1, 3),
            IsEnabled = reader.ReadBoolean(nameof(IsEnabled)),
            Lamps = reader.ReadBits<byte>(nameof(Lamps), 7),
            Rate = reader.ReadBits<byte>(nameof(Rate), 0x7F),
            LastSent = reader.Read<byte>(nameof(LastSent)),
            Modes = version == 1 ? AtReset().Modes : ReadModes(reader),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<byte>(Output);
        writer.Write(Pending);
        writer.Write(Set);
        writer.Write(IsEnabled);
        writer.Write(Lamps);
        writer.Write(Rate);
        writer.Write(LastSent);
        writer.WriteArray<byte>(Modes);
    }

    private static byte[] ReadModes(StateReader reader)
    {
        byte[] modes = reader.ReadExactly<byte>(nameof(Modes), Ps2Keyboard.CodeCount);
        int wrong = modes.AsSpan().IndexOfAnyExceptInRange((byte)0, (byte)(KeyModes.Breaks | KeyModes.Repeats));
        return wrong < 0 ? modes : throw reader.Refuse(nameof(Modes), $"has {modes[wrong]} for a key");
    }

    internal static Ps2KeyboardState AtReset() => Of(new Ps2Keyboard());

    internal static Ps2KeyboardState Of(Ps2Keyboard keyboard) => new()
    {
        Output = [.. keyboard.Output],
        Pending = keyboard.Pending,
        Set = keyboard.Set,
        IsEnabled = keyboard.IsEnabled,
        Lamps = keyboard.Lamps,
        Rate = keyboard.Rate,
        LastSent = keyboard.LastSent,
        Modes = [.. keyboard.Modes.Select(mode => (byte)mode)],
    };

    internal void CopyTo(Ps2Keyboard keyboard)
    {
        Ps2Controller8042.Replace(keyboard.Output, Output);
        (keyboard.Pending, keyboard.Set, keyboard.IsEnabled) = (Pending, Set, IsEnabled);
        (keyboard.Lamps, keyboard.Rate, keyboard.LastSent) = (Lamps, Rate, LastSent);
        Array.ConvertAll(Modes, mode => (KeyModes)mode).CopyTo(keyboard.Modes, 0);
    }
}
