using Strata.Core.State;

namespace Strata.Devices.Input;

/// <summary>State of a mouse.</summary>
public sealed class Ps2MouseState : IStateRecord<Ps2MouseState>
{
    public static ushort Version => 1;

    /// <summary>Bytes that the controller has not taken, the next one first.</summary>
    public required byte[] Output { get; set; }

    /// <summary>The command that waits for its data; 0 for none.</summary>
    public required byte Pending { get; set; }

    public required bool IsEnabled { get; set; }

    public required bool IsRemote { get; set; }

    public required bool IsWrapping { get; set; }

    public required bool IsDoubled { get; set; }

    public required byte SampleRate { get; set; }

    public required byte Resolution { get; set; }

    /// <summary>0, or 3 with a wheel.</summary>
    public required byte Kind { get; set; }

    /// <summary>Steps of the sequence that turns the wheel on.</summary>
    public required byte Knock { get; set; }

    /// <summary>Motion that has not been told, as <see cref="Y"/>, upwards, and <see cref="Wheel"/>.</summary>
    public required int X { get; set; }

    public required int Y { get; set; }

    public required int Wheel { get; set; }

    public required byte Buttons { get; set; }

    /// <summary>Buttons that the last packet told.</summary>
    public required byte ToldButtons { get; set; }

    public required byte LastSent { get; set; }

    public static Ps2MouseState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Ps2MouseState
        {
            Output = reader.ReadArray<byte>(nameof(Output), Ps2Mouse.OutputLimit),
            Pending = reader.Read<byte>(nameof(Pending)),
            IsEnabled = reader.ReadBoolean(nameof(IsEnabled)),
            IsRemote = reader.ReadBoolean(nameof(IsRemote)),
            IsWrapping = reader.ReadBoolean(nameof(IsWrapping)),
            IsDoubled = reader.ReadBoolean(nameof(IsDoubled)),
            SampleRate = reader.Read<byte>(nameof(SampleRate)),
            Resolution = reader.Read<byte>(nameof(Resolution), 0, 3),
            Kind = reader.Read<byte>(nameof(Kind), 0, 3),
            Knock = reader.Read<byte>(nameof(Knock), 0, 3),
            X = reader.Read(nameof(X), -Ps2Mouse.MostMotion, Ps2Mouse.MostMotion),
            Y = reader.Read(nameof(Y), -Ps2Mouse.MostMotion, Ps2Mouse.MostMotion),
            Wheel = reader.Read(nameof(Wheel), -Ps2Mouse.MostMotion, Ps2Mouse.MostMotion),
            Buttons = reader.ReadBits<byte>(nameof(Buttons), 7),
            ToldButtons = reader.ReadBits<byte>(nameof(ToldButtons), 7),
            LastSent = reader.Read<byte>(nameof(LastSent)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<byte>(Output);
        writer.Write(Pending);
        writer.Write(IsEnabled);
        writer.Write(IsRemote);
        writer.Write(IsWrapping);
        writer.Write(IsDoubled);
        writer.Write(SampleRate);
        writer.Write(Resolution);
        writer.Write(Kind);
        writer.Write(Knock);
        writer.Write(X);
        writer.Write(Y);
        writer.Write(Wheel);
        writer.Write(Buttons);
        writer.Write(ToldButtons);
        writer.Write(LastSent);
    }

    internal static Ps2MouseState AtReset() => Of(new Ps2Mouse());

    internal static Ps2MouseState Of(Ps2Mouse mouse) => new()
    {
        Output = [.. mouse.Output],
        Pending = mouse.Pending,
        IsEnabled = mouse.IsEnabled,
        IsRemote = mouse.IsRemote,
        IsWrapping = mouse.IsWrapping,
        IsDoubled = mouse.IsDoubled,
        SampleRate = mouse.SampleRate,
        Resolution = mouse.Resolution,
        Kind = mouse.Kind,
        Knock = mouse.Knock,
        X = mouse.X,
        Y = mouse.Y,
        Wheel = mouse.Wheel,
        Buttons = mouse.Buttons,
        ToldButtons = mouse.ToldButtons,
        LastSent = mouse.LastSent,
    };

    internal void CopyTo(Ps2Mouse mouse)
    {
        Ps2Controller8042.Replace(mouse.Output, Output);
        (mouse.Pending, mouse.IsEnabled, mouse.IsRemote, mouse.IsWrapping) = (Pending, IsEnabled, IsRemote, IsWrapping);
        (mouse.IsDoubled, mouse.SampleRate, mouse.Resolution, mouse.Kind, mouse.Knock) = (IsDoubled, SampleRate, Resolution, Kind, Knock);
        (mouse.X, mouse.Y, mouse.Wheel, mouse.Buttons, mouse.ToldButtons, mouse.LastSent) = (X, Y, Wheel, Buttons, ToldButtons, LastSent);
    }
}
