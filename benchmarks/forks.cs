#!/usr/bin/env dotnet
#:project ../src/control/Strata/Strata.csproj
#:property RunAnalyzers=false
#:property GenerateDocumentationFile=false
#:property RestorePackagesWithLockFile=false

// What a host of tests waits for, in one process: forks of a debian-tiny with 512 MiB, alone and twenty at a time, with the identity kept
// and repaired; checkpoints that are rolled back behind 10 MB of writes; snapshots restored. Medians of the rounds, without the first.
//
// usage: dotnet run -c Release benchmarks/forks.cs [ROUNDS]
using System.Diagnostics;
using Strata;
using Strata.Images;
using Strata.Snapshots;

int rounds = args.Length > 0 ? int.Parse(args[0]) : 5;
await using VirtualMachine parent = await new DebianTiny().StartAsync(
    spec => spec with { Name = "forks", Memory = 512UL << 20, Engine = Engine.Translator });
await parent.Agent.RunAsync(GuestCommand.Shell("true"));
await Task.Delay(2000);

RestoreOptions keep = new() { KeepIdentity = true };
RestoreOptions repair = new() { IdentityPatience = TimeSpan.FromMinutes(2) };
await ForkAsync("fork, identity kept", 1, keep);
await ForkAsync("fork, repaired", 1, repair);
await ForkAsync("20 forks, identity kept", 20, keep);
await ForkAsync("20 forks, repaired", 20, repair);
await CheckpointAsync();
await RestoreAsync();

async Task ForkAsync(string what, int count, RestoreOptions each)
{
    List<double> points = [], all = [], memory = [];
    for (int round = 0; round <= rounds; round++)
    {
        long before = PrivateBytes();
        Stopwatch watch = Stopwatch.StartNew();
        await using ForkPoint point = await parent.CreateForkPointAsync();
        double saved = watch.Elapsed.TotalMilliseconds;
        IReadOnlyList<VirtualMachine> clones = await VirtualMachine.CloneAsync(
            point.Store, point.Name, count, new ForkOptions { Each = each });
        double done = watch.Elapsed.TotalMilliseconds;
        await Task.Delay(500);
        double added = (PrivateBytes() - before) / (double)(1 << 20);
        foreach (VirtualMachine clone in clones)
        {
            await clone.DisposeAsync();
        }

        if (round > 0)
        {
            points.Add(saved);
            all.Add(done);
            memory.Add(added);
        }
    }

    Console.WriteLine($"{what}: {Median(all):F1} ms ({all.Min():F1} to {all.Max():F1}), of which the point {Median(points):F1}; "
        + $"private memory {Median(memory):F0} MiB");
}

async Task CheckpointAsync()
{
    List<double> back = [];
    for (int round = 0; round <= rounds; round++)
    {
        MachineCheckpoint scope = await parent.CheckpointAsync();
        await parent.Agent.RunAsync(GuestCommand.Shell("dd if=/dev/urandom of=/tmp/much bs=1M count=10 2> /dev/null"));
        Stopwatch watch = Stopwatch.StartNew();
        await scope.DisposeAsync();
        if (round > 0)
        {
            back.Add(watch.Elapsed.TotalMilliseconds);
        }
    }

    Console.WriteLine($"checkpoint, back behind 10 MB: {Median(back):F1} ms ({back.Min():F1} to {back.Max():F1})");
}

async Task RestoreAsync()
{
    string folder = Directory.CreateTempSubdirectory("strata-forks-").FullName;
    try
    {
        SnapshotStore store = new(folder);
        SnapshotReport report = await parent.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, store);
        await parent.DisposeAsync();
        List<double> started = [];
        for (int round = 0; round <= rounds; round++)
        {
            Stopwatch watch = Stopwatch.StartNew();
            await using VirtualMachine machine = await VirtualMachine.RestoreAsync(store, "one");
            started.Add(watch.Elapsed.TotalMilliseconds);
        }

        Console.WriteLine($"snapshot: stood still for {report.Pause.TotalMilliseconds:F1} ms; "
            + $"restored and running in {Median(started[1..]):F1} ms");
    }
    finally
    {
        Directory.Delete(folder, recursive: true);
    }
}

static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

static long PrivateBytes() => File.ReadLines("/proc/self/smaps_rollup")
    .Where(line => line.StartsWith("Private_", StringComparison.Ordinal))
    .Sum(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1])) << 10;
