using Strata.Core.State;

namespace Strata.Devices.Display;

/// <summary>State of the CRT controller.</summary>
public sealed class Crtc6845State : IStateRecord<Crtc6845State>
{
    public static ushort Version => 1;

    /// <summary>The register that the data port leads to.</summary>
    public required byte Index { get; set; }

    public required byte[] Registers { get; set; }

    public static Crtc6845State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Crtc6845State
        {
            Index = reader.ReadBits(nameof(Index), Crtc6845.IndexMask),
            Registers = reader.ReadExactly<byte>(nameof(Registers), Crtc6845.RegisterCount),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Index);
        writer.WriteArray<byte>(Registers);
    }
}
