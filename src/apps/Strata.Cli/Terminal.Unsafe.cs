using System.Runtime.InteropServices;

namespace Strata.Cli;

/// <summary>
/// Raw mode of the controlling terminal, by tcgetattr(3) and tcsetattr(3). Restores the old mode when disposed and at process
/// exit; makes it raw again when the process was stopped and goes on, as shell and runtime then restore theirs.
/// </summary>
internal sealed partial class Terminal : IDisposable
{
    private const int StandardInput = 0;
    private const int Now = 0;

    private const int StandardOutput = 1;

    /// <summary>TIOCGWINSZ of ioctl_tty(2).</summary>
    private const nuint GetWindowSize = 0x5413;

    /// <summary>Bytes of struct termios with room to spare; only the C library looks inside.</summary>
    private const int TermiosSize = 128;

    private readonly byte[] _saved = new byte[TermiosSize];
    private PosixSignalRegistration? _continued;
    private readonly Lock _gate = new();
    private bool _isRaw; // under _gate

    /// <summary>Makes standard input raw if it is a terminal.</summary>
    public Terminal()
    {
        if (IsTerminal(StandardInput) == 1 && GetAttributes(StandardInput, _saved) == 0)
        {
            byte[] raw = [.. _saved];
            MakeRaw(raw);
            _isRaw = SetAttributes(StandardInput, Now, raw) == 0;
            if (!OperatingSystem.IsWindows())
            {
                _continued = PosixSignalRegistration.Create(PosixSignal.SIGCONT, context =>
                {
                    context.Cancel = true; // or the runtime puts back the mode that it found, after this
                    MakeRawAgain(raw);
                });
            }
        }

        AppDomain.CurrentDomain.ProcessExit += (_, _) => Restore();
    }

    /// <summary>Of the terminal that standard output is; null if it is none.</summary>
    public static TerminalSize? Size
    {
        get
        {
            ushort[] size = new ushort[4]; // struct winsize: rows, columns, and two that nobody uses
            return Control(StandardOutput, GetWindowSize, size) == 0 && size[0] > 0 && size[1] > 0
                ? new TerminalSize(size[0], size[1])
                : null;
        }
    }

    /// <summary>Whether standard input is a terminal, whose keys come as they are typed.</summary>
    public bool IsRaw
    {
        get
        {
            lock (_gate)
            {
                return _isRaw;
            }
        }
    }

    public void Dispose()
    {
        Restore();
        _continued?.Dispose();
    }

    private void MakeRawAgain(byte[] raw)
    {
        lock (_gate)
        {
            if (_isRaw)
            {
                SetAttributes(StandardInput, Now, raw);
            }
        }
    }

    private void Restore()
    {
        lock (_gate)
        {
            if (_isRaw)
            {
                _isRaw = false;
                SetAttributes(StandardInput, Now, _saved);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "isatty")]
    private static partial int IsTerminal(int descriptor);

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int GetAttributes(int descriptor, [Out] byte[] attributes);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int SetAttributes(int descriptor, int action, byte[] attributes);

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int Control(int descriptor, nuint request, [In, Out] ushort[] argument);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw([In, Out] byte[] attributes);
}
