using Strata.Disks.Tests.Harness;
using Strata.Machines.Boot;

namespace Strata.Machines.Tests.Boot;

/// <summary>
/// Damaged images: whatever the file says, the loader places it inside RAM or refuses it with a message, in bounded time and memory,
/// and never anything else.
/// </summary>
public sealed class LoaderFuzzTests : IDisposable
{
    private const int Runs = 10_000;
    private const long AllocationLimit = 1 << 20;
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(2); // of a processor
    private static readonly byte[] Initrd = LittleEndian.Pattern(50_000, 77);

    private readonly BootBench _bench = new();

    public static TheoryData<string, int> Formats => new()
    {
        { "bzImage", 0x270 },
        { "old bzImage", 0x270 },
        { "multiboot", MultibootImages.HeaderOffset + 32 },
        { "multiboot ELF32", 52 + (3 * 32) },
        { "multiboot ELF64", 64 + (3 * 56) },
        { "multiboot2", Multiboot2Images.HeaderOffset + 64 },
        { "multiboot2 ELF64", 64 + (3 * 56) },
        { "PVH ELF32", 52 + (3 * 32) },
        { "PVH ELF64", 64 + (3 * 56) },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void Load_DamagedImage_IsPlacedInsideMemoryOrRefused(string format, int headerSize)
    {
        ImageMutator mutator = new(seed: 20_260_101, headerSize);
        byte[] valid = Create(format);
        int loaded = 0;

        for (int run = 0; run < Runs; run++)
        {
            loaded += LoadOrRefuse(mutator.Mutate(valid), $"{format}, run {run}") ? 1 : 0;
        }

        Assert.InRange(loaded, Runs / 50, Runs - (Runs / 50)); // the damage is neither trivial nor total
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Load_TruncatedHeader_IsRefused(string format, int headerSize)
    {
        byte[] valid = Create(format);

        Assert.All(Enumerable.Range(0, headerSize), length => Assert.False(LoadOrRefuse(valid[..length], $"{format}, {length} bytes")));
    }

    [Fact]
    public void Load_DamagedNotes_AreRefusedOrGiveAnEntry()
    {
        byte[] valid = ElfImages.Create(is64: true);
        Random random = new(4711);
        int loaded = 0;
        uint[] sizes = [0, 1, 3, 4, 5, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFF];

        for (int run = 0; run < Runs; run++)
        {
            byte[] image = [.. valid];
            int notes = image.Length - ElfImages.Notes.Length;
            image.Put32(notes + (random.Next(ElfImages.Notes.Length / 4) * 4), sizes[random.Next(sizes.Length)]);
            loaded += LoadOrRefuse(image, $"notes, run {run}") ? 1 : 0;
        }

        Assert.InRange(loaded, 1, Runs - 1); // some damage hits what the entry hangs on, and some does not
    }

    public void Dispose() => _bench.Dispose();

    private static byte[] Create(string format) => format switch
    {
        "bzImage" => BzImages.Create(),
        "old bzImage" => BzImages.Create(version: 0x206),
        "multiboot" => MultibootImages.Create(),
        "multiboot ELF32" => ElfImages.CreateMultiboot(is64: false),
        "multiboot ELF64" => ElfImages.CreateMultiboot(is64: true),
        "multiboot2" => Multiboot2Images.Create(),
        "multiboot2 ELF64" => Multiboot2Images.CreateElf(is64: true, Multiboot2Images.Tag(10, 0, 0, 0xFFFFFF, 0x1000, 2)),
        "PVH ELF32" => ElfImages.Create(is64: false),
        "PVH ELF64" => ElfImages.Create(is64: true),
        _ => throw new ArgumentOutOfRangeException(nameof(format)),
    };

    /// <returns>Whether it was loaded.</returns>
    private bool LoadOrRefuse(byte[] image, string what)
    {
        BootRequest request = _bench.Request(image, Initrd, "console=ttyS0");
        TimeSpan start = ThreadTime.Used;
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        BootEntry? entry = null;
        Exception? error = Record.Exception(() => entry = BootLoader.Load(request));
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        TimeSpan elapsed = ThreadTime.Used - start;

        Assert.True(error is null or BootImageException, $"{what}: {error}");
        Assert.True(error is null || (error.Message.Length < 300 && error.Message.EndsWith('.')), $"{what}: {error?.Message}");
        Assert.True(allocated < AllocationLimit, $"{what}: {allocated:N0} bytes allocated.");
        Assert.True(elapsed < TimeLimit, $"{what}: {elapsed}.");
        if (entry is not null)
        {
            AssertConsistent(entry, what);
        }

        return entry is not null;
    }

    /// <summary>What a guest finds must be whole: its boot information and its initrd, not overwritten by anything else.</summary>
    private void AssertConsistent(BootEntry entry, string what)
    {
        Assert.True(entry.Mode == EntryMode.Long64 || entry.Rip <= uint.MaxValue, $"{what}: entry 0x{entry.Rip:x} in 32-bit mode.");
        if (entry.Rax == 0x36D76289)
        {
            AssertConsistent2(entry.Rbx, what);
            return;
        }

        (ulong commandLine, ulong initrd, ulong size) = entry switch
        {
            { Rsi: not 0 } => (_bench.Read32(entry.Rsi + 0x228), _bench.Read32(entry.Rsi + 0x218), _bench.Read32(entry.Rsi + 0x21C)),
            { Rax: 0x2BADB002 } => Multiboot(entry.Rbx),
            _ => Pvh(entry.Rbx),
        };
        Assert.True(_bench.Text(commandLine) is "console=ttyS0" or "kernel.elf console=ttyS0", $"{what}: command line");
        Assert.True(size == (ulong)Initrd.Length, $"{what}: initrd size {size}");
        Assert.True(initrd + size <= BootBench.Size, $"{what}: initrd at 0x{initrd:x}");
        Assert.True(_bench.Bytes(initrd, Initrd.Length).AsSpan().SequenceEqual(Initrd), $"{what}: initrd content");
    }

    /// <summary>Tags: the command line is the first, the initrd the third.</summary>
    private void AssertConsistent2(ulong info, string what)
    {
        ulong module = info + 8;
        Assert.True(_bench.Text(module + 8) == "kernel.elf console=ttyS0", $"{what}: command line");
        for (int i = 0; i < 2; i++)
        {
            module += (_bench.Read32(module + 4) + 7UL) & ~7UL;
        }

        Assert.True(_bench.Read32(module) == 3, $"{what}: tag {_bench.Read32(module)}");
        Assert.True(_bench.Bytes(_bench.Read32(module + 8), Initrd.Length).AsSpan().SequenceEqual(Initrd), $"{what}: initrd content");
    }

    private (ulong CommandLine, ulong Initrd, ulong Size) Multiboot(ulong info)
    {
        ulong module = _bench.Read32(info + 24);
        uint start = _bench.Read32(module);
        return (_bench.Read32(info + 16), start, _bench.Read32(module + 4) - start);
    }

    private (ulong CommandLine, ulong Initrd, ulong Size) Pvh(ulong info)
    {
        ulong module = _bench.Read64(info + 16);
        return (_bench.Read64(info + 24), _bench.Read64(module), _bench.Read64(module + 8));
    }
}
