using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Strata.Disks.Images;

namespace Strata.Disks.Qcow2;

// Snapshots inside the image: each is an L1 table of its own, whose clusters the active table shares.
public sealed partial class Qcow2Image
{
    /// <summary>Keeps the disk's present content under a name. Either all of it happens or, after a crash, nothing.</summary>
    /// <param name="name">For people; must be new.</param>
    /// <param name="time">When the snapshot is taken.</param>
    /// <exception cref="DiskImageException">The name is taken or too long, or the image cannot count one more reference.</exception>
    public DiskSnapshotInfo CreateSnapshot(string name, DateTimeOffset time)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        lock (_lock)
        {
            BeginChange();
            if (_snapshots.Any(snapshot => snapshot.Name == name || snapshot.Id == name))
            {
                throw new DiskImageException($"{Path} has a snapshot {name} already; choose another name or delete it.");
            }

            if (Encoding.UTF8.GetByteCount(name) > Qcow2Format.LargestSnapshotName || _snapshots.Count == Qcow2Format.MostSnapshots)
            {
                throw new DiskImageException(
                    $"{Path} cannot have this snapshot: its name is too long or there are too many; shorten it or delete some.");
            }

            Flush();
            byte[] extra = new byte[24];
            BinaryPrimitives.WriteInt64BigEndian(extra.AsSpan(8), _file.Header.Size);
            BinaryPrimitives.WriteInt64BigEndian(extra.AsSpan(16), -1); // no instruction count
            Qcow2Snapshot snapshot = new()
            {
                L1Offset = _file.Header.L1Offset,
                L1Size = _file.Header.L1Size,
                Id = NextSnapshotId(),
                Name = name,
                Seconds = (uint)time.ToUnixTimeSeconds(),
                Nanoseconds = (uint)(time.Ticks % TimeSpan.TicksPerSecond * 100),
                Extra = extra,
            };
            Replace(_file.Header, [.. _snapshots, snapshot], _mapping.L1.ToArray());
            return snapshot.Describe(_file.Header.Size);
        }
    }

    /// <summary>
    /// Makes the disk what it was when a snapshot was taken, its size too. What was written since is lost; the snapshot stays.
    /// </summary>
    /// <param name="name">Name or identifier.</param>
    public void ApplySnapshot(string name)
    {
        lock (_lock)
        {
            BeginChange();
            Qcow2Snapshot snapshot = FindSnapshot(name);
            long size = snapshot.DiskSize ?? _file.Header.Size;
            long entries = size % Qcow2Format.SectorSize == 0 ? _file.L1EntriesFor(size) : long.MaxValue;
            if (entries > Math.Max(snapshot.L1Size, _file.Header.L1Size))
            {
                throw new DiskImageException(
                    $"{Path} is damaged: the snapshot {name} says that the disk had {size:N0} bytes, which its tables cannot hold.");
            }

            // The entries behind the disk hold a machine's memory, which stays with the snapshot.
            ulong[] l1 = new ulong[Math.Max(entries, 1)];
            ReadOnlySpan<ulong> old = _file.ReadEntries(snapshot.L1Offset, snapshot.L1Size);
            old[..Math.Min(old.Length, l1.Length)].CopyTo(l1);
            Replace(_file.Header with { Size = size }, _snapshots, l1);
        }
    }

    /// <summary>Forgets a snapshot; clusters that only it used become free.</summary>
    /// <param name="name">Name or identifier.</param>
    public void DeleteSnapshot(string name)
    {
        lock (_lock)
        {
            BeginChange();
            Qcow2Snapshot snapshot = FindSnapshot(name);
            Replace(_file.Header, [.. _snapshots.Where(other => other != snapshot)], _mapping.L1.ToArray());
        }
    }

    private string NextSnapshotId()
    {
        long largest = 0;
        foreach (Qcow2Snapshot snapshot in _snapshots)
        {
            if (int.TryParse(snapshot.Id, CultureInfo.InvariantCulture, out int id))
            {
                largest = Math.Max(largest, id);
            }
        }

        return (largest + 1).ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>By name first, then by identifier.</summary>
    private Qcow2Snapshot FindSnapshot(string name) =>
        _snapshots.FirstOrDefault(snapshot => snapshot.Name == name) ?? _snapshots.FirstOrDefault(snapshot => snapshot.Id == name)
        ?? throw new DiskImageException(
            $"{Path} has no snapshot {name}; it has " +
            $"{(_snapshots.Count == 0 ? "none" : string.Join(", ", _snapshots.Select(snapshot => snapshot.Name)))}.");
}
