using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Machines.Boards;
using Strata.Snapshots.Memory;

namespace Strata.Snapshots;

/// <summary>
/// What a machine was at the moment when it stood still: its units' state, and its memory, of which pages are saved before they change.
/// </summary>
internal sealed class Moment : IDisposable
{
    private readonly MemoryImageBuilder _builder;
    private readonly MemoryGuard _guard;

    /// <param name="board">Stands still, and may go on behind this.</param>
    /// <param name="builder">Gets the pages; disposed with this.</param>
    public Moment(PcBoard board, MemoryImageBuilder builder, IReadOnlyList<UnitRecord> units)
    {
        _builder = builder;
        Units = units;
        GuestTime = board.Clock.Now;
        At = DateTime.UtcNow;
        try
        {
            _guard = board.Ram.Guard(builder.Save, builder.Pages);
        }
        catch
        {
            builder.Dispose();
            throw;
        }
    }

    public IReadOnlyList<UnitRecord> Units { get; }

    /// <summary>Virtual time, in ns.</summary>
    public long GuestTime { get; }

    /// <summary>The host's time (UTC).</summary>
    public DateTime At { get; }

    /// <summary>How long the machine stood still.</summary>
    public TimeSpan Pause { get; set; }

    /// <summary>Bytes of memory that were stored.</summary>
    public long Stored => _builder.Written;

    /// <summary>Saves the pages that are left, behind the machine.</summary>
    /// <exception cref="IOException">A page could not be saved.</exception>
    public void SavePages(CancellationToken cancellationToken) => _guard.TakeAll(cancellationToken);

    /// <summary>The memory as it was, once all pages are saved.</summary>
    public MemoryImage Complete() => _builder.Complete();

    public void Dispose()
    {
        _guard.Dispose();
        _builder.Dispose();
    }
}
