using Strata.Disks.Images;

namespace Strata.Disks.Blocks;

/// <summary>Where the blocks of an image may lie.</summary>
/// <param name="First">Byte at which the first block may start.</param>
/// <param name="End">Byte at which the last block must have ended at the latest.</param>
/// <param name="Footprint">Bytes that a block takes in the file.</param>
internal readonly record struct BlockLayout(long First, long End, long Footprint);

/// <summary>Collects the places of an image's blocks and finds those that lie outside the file or on each other.</summary>
internal sealed class BlockCheck(BlockLayout layout)
{
    private const int MaximumLines = 100;

    private readonly List<(long Place, long Block)> _placed = [];
    private readonly List<string> _errors = [];
    private long _errorCount;

    /// <summary>Adds one block.</summary>
    /// <returns>False when it starts outside the file, so that no data can be there.</returns>
    public bool Add(long block, long place)
    {
        if (place < layout.End)
        {
            _placed.Add((place, block));
            return true;
        }

        Report($"Block {block:N0} lies at byte {place:N0}, past the end of the file.");
        return false;
    }

    public DiskCheckReport Finish(IReadOnlyList<string> repairs)
    {
        long leaked = CompareNeighbours();
        if (_errorCount > _errors.Count)
        {
            _errors.Add($"And {_errorCount - _errors.Count:N0} more.");
        }

        return new DiskCheckReport { Errors = _errors, LeakedBytes = leaked, Repairs = repairs };
    }

    /// <returns>Bytes of gaps that are large enough for a block.</returns>
    private long CompareNeighbours()
    {
        _placed.Sort();
        long leaked = 0;
        long end = layout.First;
        long previous = -1;
        foreach ((long place, long block) in _placed)
        {
            if (place < end)
            {
                Report(previous < 0 ? $"Block {block:N0} lies on the image's metadata." : $"Block {block:N0} lies on block {previous:N0}.");
            }

            leaked += WholeBlocks(place - end);
            end = Math.Max(end, place + layout.Footprint);
            previous = block;
        }

        return leaked + WholeBlocks(layout.End - end);
    }

    private long WholeBlocks(long gap) => gap < layout.Footprint ? 0 : gap / layout.Footprint * layout.Footprint;

    private void Report(string line)
    {
        _errorCount++;
        if (_errors.Count < MaximumLines)
        {
            _errors.Add(line);
        }
    }
}
