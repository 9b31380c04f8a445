using System.Diagnostics;
using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.Tests.Images;

/// <summary>A machine that is started while its image is built anew.</summary>
public sealed class ImageRebuildTests : IDisposable
{
    private const byte DebugExit = 0xF4;
    private const string Image = "it";

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly ImageCache _cache;

    public ImageRebuildTests() => _cache = new ImageCache(_folder.PathOf("cache"));

    private string Kernel => Path.Combine(_cache.PathOf(Image), "vmlinuz");

    private string Disk => Path.Combine(_cache.PathOf(Image), "disk.img");

    private MachineSpec Spec => new()
    {
        Kernel = Kernel,
        Disks = [new DiskSpec { Path = Disk, Format = "raw", Snapshot = true }],
        Memory = 16 << 20,
        Engine = Engine.Interpreter,
        Networks = [],
        ImageFolder = _cache.PathOf(Image),
    };

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    /// <summary>The first build's kernel is a pipe, so that its reader waits in the middle of a start.</summary>
    [Fact]
    public async Task StartAsync_ImageReplacedAfterTheKernelWasOpened_TakesTheKernelOfTheDisksBuild()
    {
        await BuildAsync(kernel => Process.Start("mkfifo", kernel).WaitForExit());
        Task<VirtualMachine> start = Task.Run(() => VirtualMachine.StartAsync(Spec, _timeout.Token));
        // when the reader is there
        Task<FileStream> open = Task.Run(() => new FileStream(Kernel, FileMode.Open, FileAccess.Write, FileShare.ReadWrite));
        using (FileStream pipe = await open.WaitAsync(_timeout.Token))
        {
            await BuildAsync(kernel => File.WriteAllBytes(kernel, Exit(2)));
            await pipe.WriteAsync(Exit(1), _timeout.Token);
        }

        await using VirtualMachine machine = await start.WaitAsync(_timeout.Token);

        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);
        Assert.Equal((MachineExitReason.DebugExit, (2 * 2) + 1), (exit.Reason, exit.Code));
    }

    [Fact]
    public async Task StartAsync_NoImage_NamesTheKernel()
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.StartAsync(Spec, _timeout.Token));

        Assert.Contains(Kernel, error.Message, StringComparison.Ordinal);
    }

    private static byte[] Exit(byte code) => MultibootProgram.Assemble(c => c.OutByte(DebugExit, code));

    private Task BuildAsync(Action<string> writeKernel) => _cache.ReplaceAsync(Image, async staging =>
    {
        writeKernel(Path.Combine(staging, "vmlinuz"));
        await File.WriteAllBytesAsync(Path.Combine(staging, "disk.img"), new byte[512], _timeout.Token);
        await File.WriteAllTextAsync(Path.Combine(staging, "recipe"), "1", _timeout.Token);
    });
}
