using System.Globalization;
using System.Text;

namespace Strata.Tests;

/// <summary>What a user can get wrong: each is one typed error that says the cause and what to do, and leaves nothing open.</summary>
public sealed class BadInputTests : IDisposable
{
    private const ulong Megabyte = 1 << 20;
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task StartAsync_GoodSpec_Starts()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec());

        Assert.False(machine.WaitForExitAsync().IsCompleted);
    }

    [Fact]
    public Task StartAsync_EngineThatThereIsNone_NamesThoseThatThereAre() =>
        AssertRefusedAsync(Spec() with { Engine = new Engine("qemu") }, "qemu", "translator");

    [Fact]
    public Task StartAsync_MissingKernel_NamesTheFile() =>
        AssertRefusedAsync(Spec() with { Kernel = _folder.PathOf("none") }, "kernel", _folder.PathOf("none"));

    [Fact]
    public Task StartAsync_KernelIsAFolder_NamesIt() =>
        AssertRefusedAsync(Spec() with { Kernel = Path.GetTempPath() }, "kernel", Path.GetTempPath());

    [Theory]
    [InlineData("")]
    [InlineData("a\0b")]
    public Task StartAsync_KernelPathThatNoFileCanHave_IsRefused(string path) =>
        AssertRefusedAsync(Spec() with { Kernel = path }, "kernel");

    [Fact]
    public Task StartAsync_EmptyKernel_SaysWhatIsExpected() =>
        AssertRefusedAsync(Spec() with { Kernel = _folder.Write("empty", []) }, "bzImage", "check the path");

    [Theory]
    [InlineData(0x210)]
    [InlineData(0x300)]
    [InlineData(512 * 5)]
    [InlineData((512 * 5) + 4000)]
    public Task StartAsync_TruncatedKernel_IsRefused(int length) =>
        AssertRefusedAsync(Spec() with { Kernel = _folder.Write("short", BzImage.Create().AsSpan(0, length)) }, "kernel");

    [Fact]
    public Task StartAsync_TruncatedKernel_SaysTruncatedAndFetchAgain() =>
        AssertRefusedAsync(
            Spec() with { Kernel = _folder.Write("short", BzImage.Create().AsSpan(0, 3000)) }, "truncated", "fetch it again");

    [Fact]
    public Task StartAsync_TextFileAsKernel_SaysWhatIsExpected() =>
        AssertRefusedAsync(
            Spec() with
            {
                Kernel = _folder.Write("text", Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("This is no kernel.\n", 1000)))),
            },
            "neither a Linux bzImage",
            "check the path");

    [Fact]
    public Task StartAsync_MissingInitrd_NamesTheFile() =>
        AssertRefusedAsync(Spec() with { Initrd = _folder.PathOf("none") }, "initrd", _folder.PathOf("none"));

    [Theory]
    [InlineData(32)]
    [InlineData(31)]
    [InlineData(64)]
    public Task StartAsync_InitrdThatDoesNotFit_AsksForMemory(int megabytes) =>
        AssertRefusedAsync(
            Spec() with
            {
                Memory = 32 * Megabyte,
                Initrd = _folder.WriteSparse("initrd", megabytes * (long)Megabyte),
            }, "initrd", "MiB of memory");

    [Fact]
    public Task StartAsync_KernelThatNeedsMoreMemory_AsksForMemory() =>
        AssertRefusedAsync(
            Spec() with
            {
                Memory = 32 * Megabyte,
                Kernel = _folder.Write("large", BzImage.Create(initSize: 64 << 20)),
            }, "65 MiB", "more memory");

    [Theory]
    [InlineData(0UL)]
    [InlineData(1UL)]
    [InlineData(7 * Megabyte)]
    [InlineData((8 * Megabyte) + 1)]
    [InlineData((64 * Megabyte) - 4096)]
    public Task StartAsync_MemoryThatNoBoardHas_SaysTheRule(ulong bytes) =>
        AssertRefusedAsync(Spec() with { Memory = bytes }, "whole number of MiB", "8 MiB");

    [Theory]
    [InlineData(1UL << 40)]
    [InlineData(1UL << 50)]
    [InlineData(1UL << 63)]
    [InlineData(ulong.MaxValue & ~(Megabyte - 1))]
    public Task StartAsync_MemoryBeyondTheBoard_SaysTheLimit(ulong bytes) =>
        AssertRefusedAsync(Spec() with { Memory = bytes }, "Memory", "at most");

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(65)]
    [InlineData(int.MaxValue)]
    public Task StartAsync_ProcessorsOutsideTheRange_SaysTheRange(int processors) =>
        AssertRefusedAsync(Spec() with { Processors = processors }, "1 to 64", processors.ToString(CultureInfo.InvariantCulture));

    [Fact]
    public Task StartAsync_MissingDisk_SaysHowToCreateIt() =>
        AssertRefusedAsync(Spec() with { Disks = [_folder.PathOf("none.raw")] }, _folder.PathOf("none.raw"), "create it");

    [Fact]
    public Task StartAsync_DiskInAMissingFolder_NamesIt() =>
        AssertRefusedAsync(Spec() with { Disks = [_folder.PathOf("no/where.raw")] }, _folder.PathOf("no/where.raw"));

    [Fact]
    public Task StartAsync_DiskIsAFolder_AsksForAFile() =>
        AssertRefusedAsync(Spec() with { Disks = [Path.GetTempPath()] }, "folder", "image file");

    [Theory]
    [InlineData("")]
    [InlineData("a\0b")]
    public Task StartAsync_DiskPathThatNoFileCanHave_IsRefused(string path) => AssertRefusedAsync(Spec() with { Disks = [path] }, "disk");

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    public Task StartAsync_DiskOfNoWholeSectors_SaysHowToPadIt(long length) =>
        AssertRefusedAsync(Spec() with { Disks = [_folder.WriteSparse("odd.raw", length)] }, "512-byte sectors", "truncate");

    [Fact]
    public async Task StartAsync_DiskOfAnotherMachine_IsRefusedUntilThatIsGone()
    {
        MachineSpec spec = Spec() with { Disks = [_folder.WriteSparse("shared.raw", 4096)] };
        VirtualMachine first = await VirtualMachine.StartAsync(spec);

        await AssertRefusedAsync(spec, "shared.raw");
        await first.DisposeAsync();

        await using VirtualMachine second = await VirtualMachine.StartAsync(spec);
    }

    [Fact]
    public async Task StartAsync_RefusedAfterADiskWasOpened_ClosesIt()
    {
        string disk = _folder.WriteSparse("good.raw", 4096);
        MachineSpec[] refused =
        [
            Spec() with { Disks = [disk, _folder.PathOf("none.raw")] },
            Spec() with { Disks = [disk], Kernel = _folder.Write("text", new byte[5000]) },
            Spec() with { Disks = [disk, string.Empty] },
            Spec() with { Disks = [disk], Sockets = true, Networks = [.. Enumerable.Repeat(NetworkCard.User(), 30)] },
        ];

        foreach (MachineSpec spec in refused)
        {
            await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.StartAsync(spec));
        }

        using FileStream exclusive = new(disk, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
    }

    /// <summary>Whatever goes wrong, and however unforeseen: here a caller that ignores the compiler.</summary>
    [Fact]
    public async Task StartAsync_FailsInAnUnforeseenWay_ClosesTheDisk()
    {
        string disk = _folder.WriteSparse("good.raw", 4096);

        await Assert.ThrowsAnyAsync<Exception>(() => VirtualMachine.StartAsync(Spec() with { Disks = [disk], Shares = [null!] }));

        using FileStream exclusive = new(disk, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
    }

    [Fact]
    public Task StartAsync_MoreDevicesThanSlots_SaysHowManyThereAre() => AssertRefusedAsync(
        Spec() with
        {
            Networks = [],
            Disks = [.. Enumerable.Range(0, 31).Select(i => (DiskSpec)_folder.WriteSparse($"{i}.raw", 4096))],
        }, "31 devices", "32", "leave out");

    [Fact]
    public async Task StartAsync_AsManyDevicesAsSlots_Starts()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            Spec() with
            {
                Networks = [],
                Disks = [.. Enumerable.Range(0, 30).Select(i => (DiskSpec)_folder.WriteSparse($"{i}.raw", 4096))],
            });

        Assert.Equal(32, machine.Inspect().Devices.Count);
    }

    [Fact]
    public Task StartAsync_KernelThatNeverEnds_IsNotReadToItsEnd() =>
        AssertRefusedAsync(Spec() with { Kernel = "/dev/zero" }, "kernel", "MiB of memory");

    [Fact]
    public async Task StartAsync_RefusedManyTimes_GivesTheMemoryBack()
    {
        MachineSpec spec = Spec() with { Kernel = _folder.Write("text", new byte[5000]), Memory = 256 * Megabyte };
        await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.StartAsync(spec));
        long before = MappedBytes();

        for (int i = 0; i < 20; i++)
        {
            await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.StartAsync(spec));
        }

        Assert.InRange(MappedBytes() - before, long.MinValue, 10 * 256L * (long)Megabyte);
    }

    [Fact]
    public async Task DisposeAsync_Twice_IsHarmless()
    {
        VirtualMachine machine = await VirtualMachine.StartAsync(Spec());

        await machine.DisposeAsync();
        await machine.DisposeAsync();

        Assert.Equal(MachineExitReason.Stopped, (await machine.WaitForExitAsync()).Reason);
    }

    [Fact]
    public async Task Members_AfterDispose_AreHarmless()
    {
        VirtualMachine machine = await VirtualMachine.StartAsync(Spec());
        await machine.DisposeAsync();

        machine.PressPowerButton();
        await machine.StopAsync();
        await machine.Console.WriteLineAsync("nobody listens");

        Assert.InRange(machine.InstructionsExecuted, 0, long.MaxValue);
        Assert.Empty(machine.Console.Output);
    }

    [Fact]
    public async Task StartAsync_CancelledToken_IsCancelled()
    {
        using CancellationTokenSource source = new();
        await source.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => VirtualMachine.StartAsync(Spec(), source.Token));
    }

    [Fact]
    public async Task WaitForExitAsync_CancelledToken_LeavesTheMachineRunning()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec());
        using CancellationTokenSource source = new(TimeSpan.FromMilliseconds(20));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => machine.WaitForExitAsync(source.Token));

        Assert.False(machine.WaitForExitAsync().IsCompleted);
    }

    [Fact]
    public async Task WaitForAsync_MachineStopsFirst_SaysWhatItWaitedForAndWhyItStopped()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec());
        Task wait = machine.Console.WaitForAsync("login:");

        await machine.StopAsync();

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => wait);
        Assert.Contains("login:", error.Message, StringComparison.Ordinal);
        Assert.Contains("stopped by the host", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public Task StartAsync_NoSpec_IsADefectOfTheCaller() =>
        Assert.ThrowsAsync<ArgumentNullException>(() => VirtualMachine.StartAsync(null!));

    public void Dispose() => _folder.Dispose();

    private MachineSpec Spec() => new() { Kernel = _folder.Write("kernel", BzImage.Create()), Memory = 16 * Megabyte };

    private static async Task AssertRefusedAsync(MachineSpec spec, params string[] words)
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.StartAsync(spec));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.All(words, word => Assert.Contains(word, error.Message, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Address space of this process, which a mapping that nobody releases keeps.</summary>
    private static long MappedBytes()
    {
        string pages = File.ReadAllText("/proc/self/statm").Split(' ')[0];
        return long.Parse(pages, CultureInfo.InvariantCulture) * Environment.SystemPageSize;
    }
}
