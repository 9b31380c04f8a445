namespace Strata.Disks.Tests.Crash;

/// <summary>Knows what every sector of a disk may hold after a crash.</summary>
internal sealed class CrashJudge
{
    private const int SectorSize = 512;

    private readonly long[] _stamps = new long[CrashOperation.DiskSectors];

    /// <summary>Compares every sector with what it may hold, and takes what it does hold as the start of the next round.</summary>
    /// <param name="flushed">Operations of the round that were on stable storage for certain.</param>
    public void Judge(DiskImage disk, int round, int flushed)
    {
        for (int number = 0; number < flushed; number++)
        {
            CrashOperation operation = CrashOperation.At(round, number);
            if (operation.Kind is CrashOperationKind.Write or CrashOperationKind.Zeros or CrashOperationKind.Discard)
            {
                _stamps.AsSpan(operation.Sector, operation.Count).Fill(StampOf(operation));
            }
        }

        CrashOperation[] later =
        [
            .. Enumerable.Range(flushed, CrashOperation.LongestUnflushed + 1)
                .Select(number => CrashOperation.At(round, number))
                .Where(operation => operation.Kind is CrashOperationKind.Write or CrashOperationKind.Zeros or CrashOperationKind.Discard),
        ];
        byte[] all = new byte[CrashOperation.DiskSectors * SectorSize];
        disk.Read(0, all);
        byte[] expected = new byte[SectorSize];
        for (int sector = 0; sector < CrashOperation.DiskSectors; sector++)
        {
            IEnumerable<long> allowed = later
                .Where(operation => sector >= operation.Sector && sector < operation.Sector + operation.Count)
                .Select(StampOf)
                .Prepend(_stamps[sector]);
            long? match = null;
            foreach (long stamp in allowed)
            {
                CrashOperation.Fill(expected, sector, stamp);
                match = all.AsSpan(sector * SectorSize, SectorSize).SequenceEqual(expected) ? stamp : match;
            }

            Assert.True(
                match is not null,
                $"After round {round} sector {sector} holds neither stamp {_stamps[sector]} nor anything later ({flushed} operations " +
                $"were flushed).");
            _stamps[sector] = match.Value;
        }
    }

    private static long StampOf(CrashOperation operation) => operation.Kind == CrashOperationKind.Write ? operation.Stamp : 0;
}
