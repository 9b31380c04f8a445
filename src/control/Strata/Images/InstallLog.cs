using System.Text;

namespace Strata.Images;

/// <summary>Reads the console of a machine that installs: lines that say "strata: step …" are progress.</summary>
internal sealed class InstallLog(IProgress<string>? progress)
{
    private const string StepMark = "strata: step ";
    private const string EndMark = "strata: The system is installed.";
    private const int KeptLines = 20;
    private const int LongestLine = 400;

    private readonly Lock _gate = new();
    private readonly Queue<string> _lines = new();
    private readonly StringBuilder _line = new();
    private bool _isComplete;

    /// <summary>Whether the installation reached its end.</summary>
    public bool IsComplete
    {
        get
        {
            lock (_gate)
            {
                return _isComplete;
            }
        }
    }

    /// <summary>What it printed last, for an error message.</summary>
    public string LastLines
    {
        get
        {
            lock (_gate)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    /// <summary>Takes output of the console. Any thread.</summary>
    public void Write(ReadOnlyMemory<byte> bytes)
    {
        lock (_gate)
        {
            foreach (byte b in bytes.Span)
            {
                if (b is (byte)'\n' or (byte)'\r')
                {
                    EndLine();
                }
                else if (_line.Length < LongestLine)
                {
                    _line.Append(b is < 0x20 or > 0x7E ? ' ' : (char)b);
                }
            }
        }
    }

    private void EndLine()
    {
        string line = _line.ToString().TrimEnd();
        _line.Clear();
        if (line.Length == 0)
        {
            return;
        }

        _isComplete |= line == EndMark;
        if (line.StartsWith(StepMark, StringComparison.Ordinal))
        {
            progress?.Report(line[StepMark.Length..]);
        }

        _lines.Enqueue(line);
        if (_lines.Count > KeptLines)
        {
            _lines.Dequeue();
        }
    }
}
