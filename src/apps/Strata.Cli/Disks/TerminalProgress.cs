using System.Globalization;

namespace Strata.Cli.Disks;

/// <summary>A line with a percentage that is written over; nothing where standard error is no terminal.</summary>
internal sealed class TerminalProgress(string what) : IProgress<DiskStep>, IDisposable
{
    private int _shown = -1;

    public void Report(DiskStep value)
    {
        int tenths = value.Total == 0 ? 1000 : (int)(value.Done * 1000.0 / value.Total);
        if (!Console.IsErrorRedirected && tenths != _shown)
        {
            _shown = tenths;
            Console.Error.Write(string.Create(CultureInfo.InvariantCulture, $"\r{what} {tenths / 10.0,5:F1} %"));
        }
    }

    public void Dispose()
    {
        if (_shown >= 0)
        {
            Console.Error.WriteLine();
        }
    }
}
