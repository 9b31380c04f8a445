using Strata.Core.Bus;

namespace Strata.Core.Tests.Bus;

/// <summary>A device that answers with one value and remembers every access.</summary>
internal sealed class RecordingDevice(ulong answer = 0) : IMmioDevice, IPortDevice
{
    public List<(ulong Offset, AccessWidth Width)> Reads { get; } = [];

    public List<(ulong Offset, AccessWidth Width, ulong Value)> Writes { get; } = [];

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        Reads.Add((offset, width));
        return answer;
    }

    public void WriteMmio(ulong offset, AccessWidth width, ulong value) => Writes.Add((offset, width, value));

    public uint ReadPort(ushort offset, AccessWidth width) => (uint)ReadMmio(offset, width);

    public void WritePort(ushort offset, AccessWidth width, uint value) => WriteMmio(offset, width, value);
}
