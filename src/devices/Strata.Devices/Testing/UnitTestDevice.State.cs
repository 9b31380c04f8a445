using Strata.Core.State;

namespace Strata.Devices.Testing;

/// <summary>State of the device of test suites.</summary>
public sealed class UnitTestDeviceState : IStateRecord<UnitTestDeviceState>
{
    public static ushort Version => 1;

    public required uint Scratch { get; set; }

    /// <summary>Levels of the interrupt lines: 1 is high.</summary>
    public required byte[] Lines { get; set; }

    public required byte[] Memory { get; set; }

    public static UnitTestDeviceState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        UnitTestDeviceState state = new()
        {
            Scratch = reader.Read<uint>(nameof(Scratch)),
            Lines = reader.ReadExactly<byte>(nameof(Lines), UnitTestDevice.LineCount),
            Memory = new byte[UnitTestDevice.MemorySize],
        };
        reader.ReadFixed(nameof(Memory), state.Memory);
        return Array.TrueForAll(state.Lines, line => line <= 1)
            ? state
            : throw reader.Refuse(nameof(Lines), "has levels that are neither 0 nor 1");
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Scratch);
        writer.WriteArray<byte>(Lines);
        writer.WriteFixed(Memory);
    }
}
