using System.Diagnostics;
using System.Globalization;
using Strata.Disks.Images;
using Strata.Disks.Operations;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Images;

/// <summary>Who may have an image open at once, QEMU's programs among them.</summary>
public sealed class ImageLockTests : IDisposable
{
    private const string Size = "1M";
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Formats => ["raw", "qcow2"];

    public void Dispose() => _folder.Dispose();

    [QemuTheory]
    [MemberData(nameof(Formats))]
    public void Open_ForWriting_KeepsQemuOut(string format)
    {
        string path = Make(format);

        using DiskImage disk = Open(path, format);

        AssertRefused("qemu-img", "resize", "-f", format, path, "2M");
        AssertRefused("qemu-img", "convert", "-O", "raw", path, _folder.PathOf("copy"));
        AssertRefused("qemu-io", "-f", format, "-c", "write 0 512", path);
        AssertRefused("qemu-nbd", "-f", format, "-k", _folder.PathOf("socket"), path);
        QemuTools.Image("info", "-U", path);
    }

    /// <summary>Of a raw image they do not mind, as it has no metadata that could be wrong meanwhile.</summary>
    [QemuFact]
    public void Open_ForWriting_KeepsQemuFromReadingMetadata()
    {
        string path = Make("qcow2");

        using DiskImage disk = Open(path, "qcow2");

        AssertRefused("qemu-img", "info", path);
        AssertRefused("qemu-io", "-r", "-f", "qcow2", "-c", "read 0 512", path);
    }

    [QemuTheory]
    [MemberData(nameof(Formats))]
    public void Open_ForReading_KeepsQemuFromWritingOnly(string format)
    {
        string path = Make(format);

        using DiskImage disk = Open(path, format, readOnly: true);

        AssertRefused("qemu-io", "-f", format, "-c", "write 0 512", path);
        AssertRefused("qemu-img", "resize", "-f", format, path, "2M");
        QemuTools.Image("info", path);
        QemuTools.Image("convert", "-O", "raw", path, _folder.PathOf("copy"));
    }

    [QemuTheory]
    [MemberData(nameof(Formats))]
    public void Dispose_OfAnImage_LetsQemuIn(string format)
    {
        string path = Make(format);
        Open(path, format).Dispose();

        QemuTools.Image("resize", "-f", format, path, "2M");
    }

    [QemuTheory]
    [MemberData(nameof(Formats))]
    public void Open_OfWhatQemuWrites_IsRefusedAndNamesIt(string format)
    {
        string path = Make(format);
        using ImageUser user = ImageUser.QemuIo("-f", format, path);

        Assert.All([false, true], readOnly =>
        {
            DiskImageException error = Assert.Throws<DiskImageException>(() => Open(path, format, readOnly));
            Assert.True(error.IsInUse);
            Assert.Contains(path, error.Message, StringComparison.Ordinal);
            Assert.Contains($"qemu-io (process {user.ProcessId})", error.Message, StringComparison.Ordinal);
        });
    }

    [QemuTheory]
    [MemberData(nameof(Formats))]
    public void Open_ForReadingOfWhatQemuReads_Opens(string format)
    {
        string path = Make(format);
        using ImageUser user = ImageUser.QemuIo("-r", "-f", format, path);

        using DiskImage disk = Open(path, format, readOnly: true);
        using DiskImage overlay = TemporaryOverlay.Open(path, new DiskOpenOptions { Format = format }, _folder.PathOf("."));

        Assert.Equal(2048, disk.Sectors);
        Assert.Equal(2048, overlay.Sectors);
    }

    /// <summary>A raw image's reader does not mind who writes it.</summary>
    [QemuFact]
    public void Open_ForWritingOfWhatQemuReads_IsRefusedAndNamesIt()
    {
        string path = Make("qcow2");
        using ImageUser user = ImageUser.QemuIo("-r", "-f", "qcow2", path);

        DiskImageException error = Assert.Throws<DiskImageException>(() => Open(path, "qcow2"));

        Assert.Contains($"qemu-io (process {user.ProcessId})", error.Message, StringComparison.Ordinal);
    }

    [QemuTheory]
    [MemberData(nameof(Formats))]
    public void Open_OfWhatANetworkBlockServerServes_IsRefusedAndNamesIt(string format)
    {
        string path = Make(format);
        using ImageUser user = ImageUser.QemuNbd(_folder.PathOf("socket"), format, path);

        DiskImageException error = Assert.Throws<DiskImageException>(() => Open(path, format));

        Assert.Contains($"qemu-nbd (process {user.ProcessId})", error.Message, StringComparison.Ordinal);
    }

    [QemuFact]
    public void Open_ForWriting_HoldsWhatQemuHolds()
    {
        string ours = Make("qcow2");
        string theirs = _folder.PathOf("theirs.qcow2");
        QemuTools.Image("create", "-f", "qcow2", theirs, Size);
        using DiskImage disk = Open(ours, "qcow2");
        using ImageUser user = ImageUser.QemuIo("-f", "qcow2", theirs);

        Assert.Equal([100, 101, 103, 201, 203], LockedBytes(user.ProcessId, theirs));
        Assert.Equal([100, 101, 103, 201, 203], LockedBytes(Environment.ProcessId, ours));
    }

    [QemuFact]
    public void Open_ForReading_HoldsWhatQemuHolds()
    {
        string ours = Make("qcow2");
        string theirs = _folder.PathOf("theirs.qcow2");
        QemuTools.Image("create", "-f", "qcow2", theirs, Size);
        using DiskImage disk = Open(ours, "qcow2", readOnly: true);
        using ImageUser user = ImageUser.QemuIo("-r", "-f", "qcow2", theirs);

        Assert.Equal([100, 201, 203], LockedBytes(user.ProcessId, theirs));
        Assert.Equal([100, 201, 203], LockedBytes(Environment.ProcessId, ours));
    }

    [QemuFact]
    public void Open_OfAnOverlay_KeepsQemuFromWritingItsBase()
    {
        string backing = Make("qcow2");
        string overlay = MakeOverlay(backing);
        using DiskImage disk = Open(overlay, "qcow2");

        AssertRefused("qemu-io", "-c", "write 0 512", backing);
        QemuTools.Image("info", backing);
    }

    [QemuFact]
    public void Open_OfTheBaseOfWhatQemuWrites_IsRefusedForWritingOnly()
    {
        string backing = Make("qcow2");
        using ImageUser user = ImageUser.QemuIo("-f", "qcow2", MakeOverlay(backing));

        Assert.True(Assert.Throws<DiskImageException>(() => Open(backing, "qcow2")).IsInUse);
        Open(backing, "qcow2", readOnly: true).Dispose();
    }

    [QemuTheory]
    [InlineData("raw")]
    [InlineData("qcow2")]
    [InlineData("vdi")]
    public void Create_OverWhatQemuUses_LeavesItAsItIs(string format)
    {
        string path = Make("raw");
        byte[] content = [.. Enumerable.Range(0, 1 << 20).Select(i => (byte)(i / 512))];
        File.WriteAllBytes(path, content);
        using ImageUser user = ImageUser.QemuIo("-f", "raw", path);

        DiskCreateOptions options = new() { Size = 1 << 20, Overwrite = true };
        DiskImageException error = Assert.Throws<DiskImageException>(() => DiskImages.Create(path, format, options));

        Assert.True(error.IsInUse);
        Assert.Equal(content, File.ReadAllBytes(path));
    }

    [QemuFact]
    public void Convert_OverWhatQemuUses_IsRefused()
    {
        string path = Make("qcow2");
        string source = Make("raw");
        using ImageUser user = ImageUser.QemuIo("-f", "qcow2", path);
        using DiskImage image = Open(source, "raw", readOnly: true);

        DiskCreateOptions options = new() { Size = 0, Overwrite = true };
        DiskImageException error = Assert.Throws<DiskImageException>(() => DiskConversion.Run(image, path, "qcow2", options));

        Assert.True(error.IsInUse);
        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(path)!, "*.part"));
    }

    [Fact]
    public void Convert_OverALink_ReplacesWhatItLeadsTo()
    {
        string source = _folder.PathOf("source");
        RawDisk.Create(source, 4096).Dispose();
        string real = _folder.Write("real", new byte[512]);
        string link = _folder.PathOf("link");
        File.CreateSymbolicLink(link, real);
        using DiskImage image = RawDisk.Open(source, readOnly: true);

        DiskConversion.Run(image, link, "raw", new DiskCreateOptions { Size = 0, Overwrite = true });

        Assert.Equal(real, new FileInfo(link).LinkTarget);
        Assert.Equal(4096, new FileInfo(real).Length);
    }

    [Fact]
    public void Open_Twice_SaysThatItIsThisProcess()
    {
        string path = _folder.PathOf("disk");
        using DiskImage disk = RawDisk.Create(path, 4096);

        DiskImageException error = Assert.Throws<DiskImageException>(() => RawDisk.Open(path));

        Assert.Contains("this process itself", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_ForReadingTwice_Opens()
    {
        string path = _folder.PathOf("disk");
        RawDisk.Create(path, 4096).Dispose();
        using DiskImage first = RawDisk.Open(path, readOnly: true);

        using DiskImage second = RawDisk.Open(path, readOnly: true);

        Assert.Throws<DiskImageException>(() => RawDisk.Open(path));
    }

    [Fact]
    public void Open_OfWhatAnotherProgramLocks_NamesThatProgram()
    {
        string path = _folder.PathOf("disk");
        RawDisk.Create(path, 4096).Dispose();
        using ImageUser user = ImageUser.Flock(path);

        DiskImageException error = Assert.Throws<DiskImageException>(() => RawDisk.Open(path, readOnly: true));

        Assert.Contains($"flock (process {user.ProcessId})", error.Message, StringComparison.Ordinal);
    }

    private static DiskImage Open(string path, string format, bool readOnly = false) =>
        DiskImages.Open(path, new DiskOpenOptions { Format = format, ReadOnly = readOnly });

    private string Make(string format)
    {
        string path = _folder.PathOf($"disk.{format}");
        QemuTools.Image("create", "-f", format, path, Size);
        return path;
    }

    private string MakeOverlay(string backing)
    {
        string path = _folder.PathOf("overlay.qcow2");
        QemuTools.Image("create", "-f", "qcow2", "-b", backing, "-F", "qcow2", path);
        return path;
    }

    /// <summary>One of QEMU's programs cannot lock an image.</summary>
    private static void AssertRefused(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.Contains("Failed to get", errors + output, StringComparison.Ordinal); // qemu-io ends with 0 where it could open nothing
    }

    /// <summary>Bytes of a file that a process has locked as users of images do: proc(5), "fdinfo".</summary>
    private static SortedSet<int> LockedBytes(int process, string path)
    {
        SortedSet<int> bytes = [];
        foreach (string descriptor in Directory.GetFiles($"/proc/{process}/fd"))
        {
            if (new FileInfo(descriptor).LinkTarget != path)
            {
                continue;
            }

            IEnumerable<string> locks = File.ReadLines($"/proc/{process}/fdinfo/{Path.GetFileName(descriptor)}")
                .Where(line => line.Contains("OFDLCK", StringComparison.Ordinal));
            foreach (string[] words in locks.Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            {
                int first = int.Parse(words[^2], CultureInfo.InvariantCulture);
                bytes.UnionWith(Enumerable.Range(first, int.Parse(words[^1], CultureInfo.InvariantCulture) - first + 1));
            }
        }

        return bytes;
    }

    /// <summary>A program that has a file open and locked until it is disposed of.</summary>
    private sealed class ImageUser : IDisposable
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
        private readonly Process _process;

        private ImageUser(string program, string[] arguments) => _process = Process.Start(
            new ProcessStartInfo(program, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;

        public int ProcessId => _process.Id;

        /// <summary>qemu-io with an image; it has opened it when it asks for a command.</summary>
        public static ImageUser QemuIo(params string[] arguments)
        {
            ImageUser user = new("qemu-io", arguments);
            int first = user._process.StandardOutput.Read();
            Assert.True(first == 'q', $"qemu-io ended: {(first < 0 ? user._process.StandardError.ReadToEnd() : "")}");
            return user;
        }

        /// <summary>A server; it has opened the image when nobody else may change the size.</summary>
        public static ImageUser QemuNbd(string socket, string format, string path)
        {
            ImageUser user = new("qemu-nbd", ["-k", socket, "-f", format, path]);
            Assert.True(SpinWait.SpinUntil(() => LockedBytes(user.ProcessId, path).Contains(203), Patience), "qemu-nbd locked nothing.");
            return user;
        }

        /// <summary>flock(1) with a program that waits; it holds the lock when that program answers.</summary>
        public static ImageUser Flock(string path)
        {
            ImageUser user = new("flock", ["-x", path, "cat"]);
            user._process.StandardInput.WriteLine();
            Assert.Equal('\n', user._process.StandardOutput.Read());
            return user;
        }

        public void Dispose()
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
