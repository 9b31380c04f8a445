using Strata.Devices.Workers;

namespace Strata.Devices.Tests.Workers;

/// <summary>The thread on which devices call disks and networks.</summary>
public sealed class DeviceWorkerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public void Wake_Synchronous_WorksWithinTheCall()
    {
        int works = 0;
        using DeviceWorker worker = new("test", () => works++) { IsSynchronous = true };

        worker.Wake();

        Assert.Equal(1, works);
    }

    [Fact]
    public void Wake_FromTheWork_IsAnotherRoundAndNoNestedOne()
    {
        int works = 0;
        int depth = 0;
        DeviceWorker? worker = null;
        worker = new DeviceWorker("test", () =>
        {
            Assert.Equal(1, ++depth);
            if (++works < 3)
            {
                worker!.Wake();
            }

            depth--;
        })
        {
            IsSynchronous = true,
        };

        worker.Wake();

        Assert.Equal(3, works);
        worker.Dispose();
    }

    [Fact]
    public void Park_Nested_HoldsTheWorkUntilTheLastUnpark()
    {
        int works = 0;
        using DeviceWorker worker = new("test", () => works++) { IsSynchronous = true };
        worker.Park();
        worker.Park();
        worker.Wake();

        worker.Unpark();
        Assert.Equal(0, works);
        worker.Unpark();
        Assert.Equal(1, works);
    }

    [Fact]
    public async Task Park_WhileItWorks_ReturnsBehindTheWork()
    {
        using ManualResetEventSlim begun = new();
        using ManualResetEventSlim go = new();
        bool isDone = false;
        using DeviceWorker worker = new("test", () =>
        {
            begun.Set();
            go.Wait(Patience);
            Volatile.Write(ref isDone, true);
        });
        worker.Wake();
        Assert.True(begun.Wait(Patience));

        Task park = Task.Run(worker.Park);
        go.Set();

        await park.WaitAsync(Patience);
        Assert.True(Volatile.Read(ref isDone));
    }

    [Fact]
    public void Wake_BehindDispose_DoesNothing()
    {
        int works = 0;
        DeviceWorker worker = new("test", () => works++) { IsSynchronous = true };
        worker.Dispose();

        worker.Wake();

        Assert.Equal(0, works);
    }
}
