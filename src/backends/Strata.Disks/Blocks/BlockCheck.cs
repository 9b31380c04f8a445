using System.Globalization;
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
    private const int MaximumExcess = 1000;

    /// <summary>Blocks, and with a negative number what else the file holds.</summary>
    private readonly List<(long Place, long Length, long Block)> _placed = [];
    private readonly LineList _errors = new();
    private readonly LineList _repairs = new();

    /// <summary>Blocks that were removed from the table.</summary>
    public long RepairCount => _repairs.Count;

    /// <summary>Adds one block.</summary>
    /// <returns>False when it starts outside the file, so that no data can be there.</returns>
    public bool Add(long block, long place)
    {
        if (place < layout.End)
        {
            // More than the file can hold lie on each other: enough of them show that.
            if (_placed.Count <= ((layout.End - layout.First) / layout.Footprint) + MaximumExcess)
            {
                _placed.Add((place, layout.Footprint, block));
            }

            return true;
        }

        _errors.Add($"Block {block:N0} lies at byte {place:N0}, past the end of the file.");
        return false;
    }

    /// <summary>Adds something that is no block, such as a table between the blocks.</summary>
    public void Reserve(long place, long length) => _placed.Add((place, length, -1));

    public void AddRepair(long block) => _repairs.Add($"Block {block:N0} referred to no place in the file; it now reads as zeros.");

    public DiskCheckReport Finish()
    {
        long leaked = CompareNeighbours();
        return new DiskCheckReport { Errors = _errors.ToList(), LeakedBytes = leaked, Repairs = _repairs.ToList() };
    }

    /// <returns>Bytes of gaps that are large enough for a block.</returns>
    private long CompareNeighbours()
    {
        _placed.Sort();
        long leaked = 0;
        long end = layout.First;
        long previous = -1;
        foreach ((long place, long length, long block) in _placed)
        {
            if (place < end)
            {
                bool isOnMetadata = block < 0 || previous < 0;
                _errors.Add(isOnMetadata
                    ? (FormattableString)$"Block {Math.Max(block, previous):N0} lies on the image's metadata."
                    : $"Block {block:N0} lies on block {previous:N0}.");
            }

            leaked += WholeBlocks(place - end);
            end = Math.Max(end, place + length);
            previous = block;
        }

        return leaked + WholeBlocks(layout.End - end);
    }

    private long WholeBlocks(long gap) => gap < layout.Footprint ? 0 : gap / layout.Footprint * layout.Footprint;

    /// <summary>The first lines of a list that an image can make as long as it likes.</summary>
    private sealed class LineList
    {
        private const int Maximum = 100;
        private readonly List<string> _lines = [];

        public long Count { get; private set; }

        public void Add(FormattableString line)
        {
            if (Count++ < Maximum)
            {
                _lines.Add(line.ToString(CultureInfo.InvariantCulture));
            }
        }

        public List<string> ToList() => Count > _lines.Count ? [.. _lines, $"And {Count - _lines.Count:N0} more."] : _lines;
    }
}
