using Strata.Devices.Serial;

namespace Strata;

/// <summary>A serial port that is not the console: its output goes to a caller, or nowhere.</summary>
internal sealed class SerialTap(Action<ReadOnlyMemory<byte>>? output) : ISerialBackend
{
    public void Write(ReadOnlySpan<byte> bytes) => output?.Invoke(bytes.ToArray());
}
