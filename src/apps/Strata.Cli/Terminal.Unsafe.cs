using System.Runtime.InteropServices;

namespace Strata.Cli;

/// <summary>
/// Raw mode of the controlling terminal, by tcgetattr(3) and tcsetattr(3). Restores the old mode when disposed, at process exit
/// and on termination signals.
/// </summary>
internal sealed partial class Terminal : IDisposable
{
    private const int StandardInput = 0;
    private const int Now = 0;

    /// <summary>Bytes of struct termios with room to spare; only the C library looks inside.</summary>
    private const int TermiosSize = 128;

    private readonly byte[] _saved = new byte[TermiosSize];
    private readonly List<PosixSignalRegistration> _signals = [];
    private bool _isRaw;

    /// <summary>Makes standard input raw if it is a terminal.</summary>
    public Terminal(Action onSignal)
    {
        if (IsTerminal(StandardInput) == 1 && GetAttributes(StandardInput, _saved) == 0)
        {
            byte[] raw = [.. _saved];
            MakeRaw(raw);
            _isRaw = SetAttributes(StandardInput, Now, raw) == 0;
        }

        AppDomain.CurrentDomain.ProcessExit += (_, _) => Restore();
        foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGINT, PosixSignal.SIGQUIT])
        {
            _signals.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                onSignal();
            }));
        }
    }

    public bool IsRaw => _isRaw;

    public void Dispose()
    {
        Restore();
        foreach (PosixSignalRegistration signal in _signals)
        {
            signal.Dispose();
        }
    }

    private void Restore()
    {
        if (_isRaw)
        {
            _isRaw = false;
            SetAttributes(StandardInput, Now, _saved);
        }
    }

    [LibraryImport("libc", EntryPoint = "isatty")]
    private static partial int IsTerminal(int descriptor);

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int GetAttributes(int descriptor, [Out] byte[] attributes);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int SetAttributes(int descriptor, int action, byte[] attributes);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw([In, Out] byte[] attributes);
}
