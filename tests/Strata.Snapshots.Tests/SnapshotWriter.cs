using System.Globalization;
using Strata.Core.Memory;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;
using Strata.Snapshots.Transfer;

namespace Strata.Snapshots.Tests;

/// <summary>
/// The process that is killed: `dotnet Strata.Snapshots.Tests.dll FOLDER SEED` makes, deletes and imports snapshots until it is. It prints
/// "ready" behind its first change. The description of a snapshot is the seed of its memory.
/// </summary>
internal static class SnapshotWriter
{
    private const int Names = 6;

    public static async Task<int> Main(string[] arguments)
    {
        if (arguments is not [string folder, string seed])
        {
            await Console.Error.WriteLineAsync("This is a test assembly; run it with dotnet test.");
            return 2;
        }

        Random random = new(int.Parse(seed, CultureInfo.InvariantCulture));
        SnapshotSet set = new(folder);
        for (int change = 0; ; change++)
        {
            if (change == 1)
            {
                Console.WriteLine("ready");
            }

            string name = $"s{random.Next(Names)}";
            string? other = set.List().FirstOrDefault(entry => entry.Name != name)?.Name;
            if (set.Contains(name))
            {
                await set.DeleteAsync(name);
            }
            else if (other is not null && random.Next(2) == 0)
            {
                await ImportAsync(set, other, name);
            }
            else
            {
                using Snapshot? parent = other is null ? null : set.Open(other);
                await CreateAsync(set, name, random.Next(), parent);
            }
        }
    }

    /// <summary>Of memory of its own, or of that of a parent, whose layers it shares.</summary>
    private static async Task CreateAsync(SnapshotSet set, string name, int seed, Snapshot? parent)
    {
        using SnapshotDraft draft = await set.BeginAsync(name);
        byte[] memory = TestSet.SomeMemory(seed);
        using MemoryImageBuilder builder = draft.BuildMemory(
            TestSet.Size, parent?.Memory, new PageBitmap(TestSet.Size / GuestMemory.PageSize));
        foreach (ulong page in builder.Pages)
        {
            builder.Save(page, memory.AsSpan((int)(page * GuestMemory.PageSize), (int)GuestMemory.PageSize));
        }

        using MemoryImage image = builder.Complete();
        draft.Write([], image);
        draft.Commit(TestSet.Manifest(draft, image, builder.Written) with
        {
            Description = parent?.Manifest.Description ?? seed.ToString(CultureInfo.InvariantCulture),
        });
    }

    private static async Task ImportAsync(SnapshotSet set, string from, string to)
    {
        using MemoryStream archive = new();
        using (Snapshot snapshot = set.Open(from))
        {
            SnapshotArchive.Write(snapshot, [], archive);
        }

        archive.Position = 0;
        await SnapshotArchive.ReadAsync(
            set, to, archive, (_, _) => throw new InvalidOperationException("There are no disks."), manifest => manifest);
    }
}
