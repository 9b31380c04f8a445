using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Disks.Capturing;
using Strata.Disks.Images;
using Strata.Disks.Operations;
using Strata.Machines.Boards;

namespace Strata.Snapshots;

/// <summary>
/// A moment that a running machine goes back to: memory, disks and devices, in time that depends on what has changed since. Disposing it
/// takes the machine back; <see cref="Keep"/> lets it be as it is. While it is open no snapshot and no other checkpoint can be made.
/// Members are safe on any thread, one at a time.
/// </summary>
public sealed class MachineCheckpoint : IAsyncDisposable
{
    private readonly PcBoard _board;
    private readonly Func<Func<TimeSpan>, Task<TimeSpan>> _run;
    private readonly Action _ended;
    private readonly PageStore _pages = new();
    private readonly List<(DiskCapture Capture, DiskImage Store)> _disks = [];
    private readonly IReadOnlyList<UnitRecord> _units;
    private readonly MemoryGuard _guard;
    private bool _isOver;

    /// <param name="board">Stands still, and goes on behind this.</param>
    /// <param name="run">Lets something happen to the machine, and nothing else meanwhile.</param>
    /// <param name="ended">Called once, when this is over.</param>
    internal MachineCheckpoint(PcBoard board, IReadOnlyList<MachineDisk> disks, Func<Func<TimeSpan>, Task<TimeSpan>> run, Action ended)
    {
        _board = board;
        _run = run;
        _ended = ended;
        try
        {
            _units = board.SaveState();
            foreach (MachineDisk disk in disks.Where(disk => disk.Medium is { IsReadOnly: false }))
            {
                DiskImage store = TemporaryStore.Create(disk.Backend.Sectors * 512);
                _disks.Add((disk.CaptureChanges(store), store));
            }

            _guard = board.Ram.Guard(_pages.Add);
        }
        catch
        {
            _disks.ForEach(Release);
            throw;
        }
    }

    /// <summary>Pages of memory that have changed since.</summary>
    public int ChangedPages => _pages.Count;

    /// <summary>Takes the machine back to the moment, and ends the checkpoint.</summary>
    /// <returns>How long the machine stood still.</returns>
    /// <exception cref="StrataException">The machine has ended, or a disk could not be put back.</exception>
    public async Task<TimeSpan> RollBackAsync()
    {
        ObjectDisposedException.ThrowIf(_isOver, this);
        _isOver = true;
        try
        {
            return await _run(RollBack).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or StateException or InvalidOperationException)
        {
            throw new StrataException(StrataError.Host, $"The machine cannot go back to its checkpoint: {error.Message}", error);
        }
        finally
        {
            End();
        }
    }

    /// <summary>Ends the checkpoint; the machine stays as it is.</summary>
    public void Keep()
    {
        if (!_isOver)
        {
            _isOver = true;
            End();
        }
    }

    /// <summary>As <see cref="RollBackAsync"/>, unless that, or <see cref="Keep"/>, came before, or the machine has ended.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isOver)
        {
            return;
        }

        if (_board.Exit.IsCompleted)
        {
            Keep();
            return;
        }

        await RollBackAsync().ConfigureAwait(false);
    }

    private TimeSpan RollBack()
    {
        _board.Pause();
        try
        {
            _guard.Dispose(); // from here on nothing is added
            if (_guard.Failure is { } failure)
            {
                throw new IOException($"A page was not kept: {failure.Message}", failure);
            }

            _disks.ForEach(disk => disk.Capture.PutBack());
            _pages.PutBack(_board.Ram);
            _board.LoadState(_units);
        }
        catch
        {
            _board.Stop(); // half of one moment and half of another is no machine
            _board.Resume();
            throw;
        }

        return _board.Resume();
    }

    private void End()
    {
        _guard.Dispose();
        _disks.ForEach(Release);
        _ended();
    }

    private static void Release((DiskCapture Capture, DiskImage Store) disk)
    {
        disk.Capture.Dispose();
        disk.Store.Dispose();
    }
}
