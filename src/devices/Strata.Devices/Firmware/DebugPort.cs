using Strata.Core.Bus;

namespace Strata.Devices.Firmware;

/// <summary>
/// The port that firmware writes its log to, 0x402: it reads E9h, which says that somebody listens. Nothing of it is state: a line that
/// is cut by a snapshot is lost.
/// </summary>
/// <param name="line">Receives each line, without its end; on a vCPU's thread.</param>
public sealed class DebugPort(Action<string> line) : IPortDevice
{
    private const uint Present = 0xE9;
    private const int LongestLine = 1024;

    private readonly Lock _gate = new();
    private readonly List<char> _line = []; // under _gate

    public uint ReadPort(ushort offset, AccessWidth width) => Present;

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        string? complete = null;
        lock (_gate)
        {
            char character = (char)(byte)value;
            if (character != '\n' && _line.Count < LongestLine)
            {
                _line.Add(character is >= ' ' and <= '~' ? character : '?');
            }

            if (character == '\n' || _line.Count == LongestLine)
            {
                complete = new string([.. _line]);
                _line.Clear();
            }
        }

        if (complete is not null)
        {
            line(complete);
        }
    }
}
