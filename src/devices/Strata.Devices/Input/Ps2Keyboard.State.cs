using Strata.Core.State;

namespace Strata.Devices.Input;

/// <summary>State of a keyboard.</summary>
public sealed class Ps2KeyboardState : IStateRecord<Ps2KeyboardState>
{
    public static ushort Version => 1;

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
    };

    internal void CopyTo(Ps2Keyboard keyboard)
    {
        Ps2Controller8042.Replace(keyboard.Output, Output);
        (keyboard.Pending, keyboard.Set, keyboard.IsEnabled) = (Pending, Set, IsEnabled);
        (keyboard.Lamps, keyboard.Rate, keyboard.LastSent) = (Lamps, Rate, LastSent);
    }
}
