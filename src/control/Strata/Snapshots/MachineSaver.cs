using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Storage;
using Strata.Machines.Boards;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots;

/// <summary>
/// Saves a machine while it goes on, and knows what the last snapshot has of it. One snapshot or rollback at a time: who asks waits for the
/// one before. While a checkpoint is open all others are refused, as that may stay open for long. Safe on any thread.
/// </summary>
internal sealed class MachineSaver : IDisposable
{
    private const int MostSaved = 3;

    private readonly PcBoard _board;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly CancellationTokenSource _closing = new();

    /// <summary>
    /// What memory held when it was saved, the newest last: clones begin in another set than the machine's own, and the next snapshot of
    /// either stores what has changed since the last one there. Under the gate.
    /// </summary>
    private readonly List<SavedMemory> _saved = [];
    private bool _isDisposed;
    private bool _hasCheckpoint; // changed under the gate

    /// <param name="board">The machine.</param>
    /// <param name="disks">In the guest's order.</param>
    /// <param name="memory">What its memory was made from: its image from here on.</param>
    /// <param name="log">The machine's.</param>
    public MachineSaver(PcBoard board, IReadOnlyList<MachineDisk> disks, MemoryImage memory, ILogger log)
    {
        _log = log;
        _board = board;
        Disks = disks;
        _saved.Add(new SavedMemory(memory, new PageBitmap(board.Ram.Pages)));
    }

    /// <summary>In the guest's order. Replaced under the gate.</summary>
    public IReadOnlyList<MachineDisk> Disks { get; private set; }

    /// <summary>The name of the snapshot that the machine was last saved to or restored from; null for none.</summary>
    public string? Current { get; set; }

    /// <summary>Saves the machine.</summary>
    /// <param name="set">Where.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="describe">Completes the manifest, whose disks and memory are known.</param>
    /// <param name="end">Ends the machine and closes its disks, for one that is suspended; null for one that goes on.</param>
    /// <exception cref="IOException">The set cannot be written, or a disk not be read: the machine goes on.</exception>
    public async Task<SnapshotReport> SaveAsync(
        SnapshotSet set, SnapshotRequest request, Func<SnapshotManifest, SnapshotManifest> describe, Func<Task>? end,
        CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
            return await Task.Run(() => SaveLockedAsync(set, request, describe, end, either.Token), either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw HasEnded();
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Changes a drive's medium, while nothing is being saved.</summary>
    /// <param name="change">The new one, of its place.</param>
    /// <param name="changed">Done before anything else can be asked of the machine.</param>
    /// <exception cref="ArgumentException">The drive takes no medium of this size; it is the caller's again.</exception>
    /// <exception cref="IOException">What was written to the old one is not on stable storage; it is out nevertheless.</exception>
    public async Task ExchangeAsync(MediumExchange change, Action changed, CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            IBlockBackend? old = change.Drive.Exchange(change.Disk.Medium);
            Replace(change.Index, change.Disk);
            changed();
            old?.Dispose();
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Takes the machine back to a snapshot of its own.</summary>
    /// <param name="media">Of drives that had others, what was in them; this disposes what is not in a drive at the end.</param>
    /// <returns>How long it stood still.</returns>
    /// <exception cref="StateException">The snapshot is of another machine, or a record of it is damaged: this one goes on as it
    /// was.</exception>
    /// <exception cref="IOException">A file of the snapshot cannot be read: the machine ends, as it is neither here nor there.</exception>
    public async Task<TimeSpan> RollBackAsync(
        Snapshot snapshot, SnapshotSet set, IReadOnlyList<MediumExchange> media, CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => RollBack(snapshot, set, media), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Whether <see cref="PutBackDisks"/> can do what it is for.</summary>
    /// <exception cref="SnapshotException">The snapshot does not have a disk's content, or a disk of another size.</exception>
    public void CheckDisks(Snapshot snapshot, SnapshotSet set) =>
        Array.ForEach(FindDisksBehind(snapshot), disk => disk.Disk.CheckPutBack(disk.Stored, set));

    /// <summary>
    /// Gives the disks of a machine that has just been made from a snapshot, and stands still, the content that they had.
    /// </summary>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public void PutBackDisks(Snapshot snapshot, SnapshotSet set) =>
        Array.ForEach(FindDisksBehind(snapshot), disk => disk.Disk.PutBackDurably(disk.Stored, set));

    private (MachineDisk Disk, DiskManifest Stored)[] FindDisksBehind(Snapshot snapshot) =>
        [.. Disks.Zip(snapshot.Manifest.Disks).Where(disk => disk.First.IsBehind)];

    /// <summary>Opens a checkpoint. Until it is over everything else is refused.</summary>
    /// <exception cref="InvalidOperationException">The machine has ended, or has a checkpoint.</exception>
    public async Task<MachineCheckpoint> CheckpointAsync(CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await Task.Run(Checkpoint, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// Gives up what is under way, and refuses everything from here on: the machine's memory and disks may go when this is done.
    /// </summary>
    public async Task CloseAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        await _gate.WaitAsync().ConfigureAwait(false);
        _gate.Release();
    }

    /// <summary>The machine has ended; one that is being suspended is saved to the end nevertheless.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _saved.ForEach(saved => saved.Image.Dispose());
    }

    private async Task<SnapshotReport> SaveLockedAsync(
        SnapshotSet set, SnapshotRequest request, Func<SnapshotManifest, SnapshotManifest> describe, Func<Task>? end,
        CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        using SnapshotDraft draft = await set.BeginAsync(request.Name, cancellationToken).ConfigureAwait(false);
        List<DiskSaving> disks = [];
        Moment? moment = null;
        MemoryImage? image = null;
        SavedMemory? parent = null;
        CodeSaving? code = null;
        bool isHeld = false;
        try
        {
            for (int i = 0; i < Disks.Count; i++)
            {
                bool stays = end is not null && Disks[i].IsPersistent;
                disks.Add(stays ? DiskSaving.OfDiskThatStays(Disks[i]) : Disks[i].Prepare(draft, i));
            }

            long stillSince = Stopwatch.GetTimestamp();
            _board.Pause();
            isHeld = true;
            (moment, parent) = Take(draft, disks);
            code = request.LeavesOutCode ? null : CodeSaving.Begin(_board, draft, _log);
            if (end is null)
            {
                isHeld = false;
                moment.Pause = _board.Resume();
            }

            moment.SavePages(cancellationToken);
            List<DiskManifest> kept = [.. disks.Select(disk => disk.Finish(cancellationToken))];
            image = moment.Complete();
            draft.Write(moment.Units, image);
            await (code?.FinishAsync(draft.Name, image) ?? Task.CompletedTask).ConfigureAwait(false);
            if (end is not null)
            {
                moment.Pause = Stopwatch.GetElapsedTime(stillSince); // it never goes on
                isHeld = false;
                await end().ConfigureAwait(false);
                kept = [.. disks.Zip(kept, (disk, manifest) => disk.AfterEnd(manifest))];
            }

            draft.Commit(describe(new SnapshotManifest
            {
                Format = SnapshotManifest.NewestFormat,
                Name = draft.Name,
                Id = draft.Id,
                Created = moment.At,
                Version = typeof(MachineSaver).Assembly.GetName().Version?.ToString(3) ?? "?",
                Description = request.Description,
                Parent = Current,
                Engine = _board.Engine.Name,
                GuestTime = moment.GuestTime,
                Memory = new MemoryManifest
                {
                    Size = image.Size,
                    Layers = [.. image.Layers.Select(layer => layer.Name)],
                    Stored = moment.Stored,
                },
                Disks = kept,
                Machine = default,
            }));
            Accept(image, parent, disks, draft);
            image = null;
            return new SnapshotReport(
                draft.Name, moment.Pause, Stopwatch.GetElapsedTime(start), moment.Stored, kept.Sum(disk => disk.Stored));
        }
        finally
        {
            if (isHeld)
            {
                _board.Resume();
            }

            code?.Dispose();
            moment?.Dispose();
            image?.Dispose();
            disks.ForEach(disk => disk.Dispose());
        }
    }

    private async Task EnterAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (_hasCheckpoint || _closing.IsCancellationRequested)
        {
            InvalidOperationException refusal = _hasCheckpoint
                ? new InvalidOperationException("The machine has an open checkpoint; end that first.")
                : HasEnded();
            _gate.Release();
            throw refusal;
        }
    }

    /// <summary>What an open checkpoint does with the machine, which is not disposed meanwhile.</summary>
    private async Task<TimeSpan> RunForCheckpointAsync(Func<TimeSpan> action)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            return _closing.IsCancellationRequested ? throw HasEnded() : await Task.Run(action).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    private void EndCheckpoint() => Volatile.Write(ref _hasCheckpoint, false);

    private static InvalidOperationException HasEnded() => new("The machine has ended.");

    private void Replace(int index, MachineDisk disk) => Disks = [.. Disks.Take(index), disk, .. Disks.Skip(index + 1)];

    /// <summary>Puts media into drives.</summary>
    /// <returns>What puts back those that were there.</returns>
    private List<MediumExchange> Exchange(IReadOnlyList<MediumExchange> media)
    {
        List<MediumExchange> old = [];
        foreach (MediumExchange change in media)
        {
            change.Drive.Exchange(change.Disk.Medium);
            old.Add(change with { Disk = Disks[change.Index] });
            Replace(change.Index, change.Disk);
        }

        return old;
    }

    private TimeSpan RollBack(Snapshot snapshot, SnapshotSet set, IReadOnlyList<MediumExchange> media)
    {
        List<MediumExchange> unused = Exchange(media);
        bool isTouched = false;
        try
        {
            return RollBack(snapshot, set, ref isTouched);
        }
        catch when (!isTouched)
        {
            unused = Exchange(unused);
            throw;
        }
        finally
        {
            unused.ForEach(change => change.Disk.Dispose());
        }
    }

    private TimeSpan RollBack(Snapshot snapshot, SnapshotSet set, ref bool isTouched)
    {
        CheckFits(snapshot, set);
        _board.Pause();
        try
        {
            TryState(snapshot.Units);
            isTouched = true;
            NoteChanges();
            SavedMemory? same = _saved.FindLast(saved => SameImage(saved.Image, snapshot.Memory));
            snapshot.Memory.CopyTo(_board.Ram, same?.Changed);
            for (int i = 0; i < Disks.Count; i++)
            {
                Disks[i].PutBack(snapshot.Manifest.Disks[i], set);
            }

            _board.LoadState(snapshot.Units);
        }
        catch
        {
            if (isTouched)
            {
                _board.Stop(); // half of one moment and half of another is no machine
            }

            _board.Resume();
            throw;
        }

        TimeSpan pause = _board.Resume();
        Current = snapshot.Manifest.Name;
        return pause;
    }

    /// <summary>
    /// Whether the units take records over, while memory and disks are still those that they had: they get their own state back if not.
    /// </summary>
    /// <exception cref="StateException">They do not.</exception>
    private void TryState(IReadOnlyList<UnitRecord> units)
    {
        IReadOnlyList<UnitRecord> own = _board.SaveState();
        try
        {
            _board.LoadState(units);
        }
        catch (StateException)
        {
            _board.LoadState(own);
            throw;
        }
    }

    /// <summary>Everything that can be seen to be wrong before anything is changed.</summary>
    private void CheckFits(Snapshot snapshot, SnapshotSet set)
    {
        if (snapshot.Memory.Size != _board.Ram.Size || snapshot.Manifest.Disks.Count != Disks.Count)
        {
            throw new StateException(
                $"The snapshot {snapshot.Manifest.Name} is of a machine with other memory or disks; restore it as a machine of its own.");
        }

        if (_board.FindMismatch(snapshot.Units) is { } mismatch)
        {
            throw new StateException(
                $"The snapshot {snapshot.Manifest.Name} is of a machine with other devices; restore it as a machine of its own. " +
                $"{mismatch}");
        }

        _board.CheckState(snapshot.Units);
        for (int i = 0; i < Disks.Count; i++)
        {
            Disks[i].CheckPutBack(snapshot.Manifest.Disks[i], set);
        }
    }

    private static bool SameImage(MemoryImage left, MemoryImage right) =>
        left.Layers.Select(layer => layer.Name).SequenceEqual(right.Layers.Select(layer => layer.Name))
        && left.Map.ToBytes().AsSpan().SequenceEqual(right.Map.ToBytes());

    private MachineCheckpoint Checkpoint()
    {
        _board.Pause();
        try
        {
            MachineCheckpoint checkpoint = new(_board, Disks, RunForCheckpointAsync, EndCheckpoint);
            _hasCheckpoint = true;
            return checkpoint;
        }
        finally
        {
            _board.Resume();
        }
    }

    /// <summary>Of a machine that stands still: takes what is small, and guards what is large.</summary>
    private (Moment Moment, SavedMemory? Parent) Take(SnapshotDraft draft, List<DiskSaving> disks)
    {
        IReadOnlyList<UnitRecord> units = _board.SaveState();
        NoteChanges();
        SavedMemory? parent = _saved.FindLast(saved => draft.HasLayersOf(saved.Image));
        Moment moment = new(_board, draft.BuildMemory(_board.Ram.Size, parent?.Image, parent?.Changed), units);
        disks.ForEach(disk => disk.Begin());
        return (moment, parent);
    }

    private void NoteChanges()
    {
        PageBitmap dirty = new(_board.Ram.Pages);
        _board.Ram.HarvestDirty(dirty);
        _saved.ForEach(saved => saved.Changed.UnionWith(dirty));
    }

    /// <summary>From here on what changes is counted from this snapshot.</summary>
    /// <param name="parent">Its place is the image's.</param>
    private void Accept(MemoryImage image, SavedMemory? parent, List<DiskSaving> disks, SnapshotDraft draft)
    {
        if (parent is not null)
        {
            Forget(parent);
        }

        while (_saved.Count >= MostSaved)
        {
            Forget(_saved[0]);
        }

        _saved.Add(new SavedMemory(image, new PageBitmap(_board.Ram.Pages)));
        if (_isDisposed)
        {
            image.Dispose(); // of a machine that was suspended
        }

        Current = draft.Name;
        disks.ForEach(disk => disk.Accept(draft.SetFolder));
    }

    private void Forget(SavedMemory saved)
    {
        _saved.Remove(saved);
        saved.Image.Dispose();
    }

    /// <summary>An image of memory, and the pages that may differ from it beside those that are dirty.</summary>
    private sealed record SavedMemory(MemoryImage Image, PageBitmap Changed);
}
