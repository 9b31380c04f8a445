using System.Text.Json;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>`strata disk` as a process: what scripts rely on.</summary>
public sealed class DiskCommandTests : IDisposable
{
    private const int Success = 0;
    private const int Failure = 1;
    private const int BadInput = 2;

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Disk_FromCreationToConversion_Works()
    {
        string disk = _folder.PathOf("disk.qcow2");
        string overlay = _folder.PathOf("overlay.qcow2");
        string raw = _folder.PathOf("disk.raw");

        await SucceedAsync("create", disk, "64M");
        await SucceedAsync("create", overlay, "--backing", "disk.qcow2");
        await SucceedAsync("snapshot", "create", overlay, "first");
        await SucceedAsync("resize", overlay, "+64M");
        await SucceedAsync("convert", overlay, raw);
        await SucceedAsync("check", overlay);
        JsonElement info = JsonDocument.Parse(await SucceedAsync("info", overlay, "--output", "json")).RootElement;

        Assert.Equal(128 << 20, info.GetProperty("virtualSize").GetInt64());
        Assert.Equal("disk.qcow2", info.GetProperty("backingFile").GetString());
        Assert.Equal("qcow2", info.GetProperty("backingFormat").GetString());
        Assert.Equal("first", info.GetProperty("snapshots")[0].GetProperty("name").GetString());
        Assert.Equal(128 << 20, new FileInfo(raw).Length);
        Assert.Contains("same", await SucceedAsync("compare", overlay, raw), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compare_DifferentDisks_IsOneAndSaysWhere()
    {
        byte[] bytes = new byte[4096];
        string first = _folder.Write("a.raw", bytes);
        bytes[1000] = 1;
        string second = _folder.Write("b.raw", bytes);

        (int code, string output, _) = await RunAsync("compare", first, second, "--output", "json");

        Assert.Equal(Failure, code);
        Assert.Equal(1000, JsonDocument.Parse(output).RootElement.GetProperty("differentAt").GetInt64());
    }

    [Fact]
    public async Task Create_FileThatExists_IsLeftAloneWithoutForce()
    {
        string path = _folder.Write("disk.qcow2", "precious"u8.ToArray());

        (int code, _, string errors) = await RunAsync("create", path, "1G");

        Assert.Equal(BadInput, code);
        Assert.Contains(path, errors, StringComparison.Ordinal);
        Assert.Equal("precious", await File.ReadAllTextAsync(path, _timeout.Token));
        await SucceedAsync("create", path, "1G", "--force");
    }

    [Theory]
    [InlineData("info", "/nowhere/disk.qcow2")]
    [InlineData("create", "disk.qcow2", "huge")]
    [InlineData("create", "disk.qcow2")]
    [InlineData("create", "disk.qcow2", "1G", "--format", "floppy")]
    [InlineData("create", "disk.qcow2", "1G", "--cluster-size", "3K")]
    [InlineData("create", "disk.qcow2", "--backing", "gone.raw")]
    [InlineData("convert", "/nowhere/a.raw", "b.thing")]
    [InlineData("snapshot", "apply", "/nowhere/a.qcow2", "x")]
    [InlineData("info", "/dev/null")]
    public async Task Command_BadArguments_IsBadInputInOneSentence(params string[] arguments)
    {
        (int code, _, string errors) = await RunAsync(arguments);

        Assert.Equal(BadInput, code);
        Assert.StartsWith("strata: ", errors, StringComparison.Ordinal);
        Assert.Single(errors.Trim().Split('\n'));
    }

    /// <summary>
    /// ulimit -f stands for a file system that has no larger files, as FAT has none above 4 GiB. The runtime's own files are larger, too.
    /// </summary>
    [Theory]
    [InlineData("qcow2")]
    [InlineData("vdi")]
    [InlineData("raw")]
    public async Task Create_LargerThanFilesCanBe_SaysSoAndLeavesNoFile(string format)
    {
        string disk = _folder.PathOf("disk.image");
        string strata = $"dotnet {Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll")}";
        using HostCommand command = HostCommand.Start(
            "bash", "-c",
            $"trap '' XFSZ; ulimit -f 100; DOTNET_EnableWriteXorExecute=0 exec {strata} disk create '{disk}' 1G --format {format}");

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(BadInput, code);
        Assert.Single(errors.Trim().Split('\n'));
        Assert.Contains("too large", errors, StringComparison.Ordinal);
        Assert.False(File.Exists(disk));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _timeout.Dispose();
    }

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        (int code, string output, string errors) = await RunAsync(arguments);
        Assert.True(code == Success, $"strata disk {string.Join(' ', arguments)} ended with {code}: {errors}");
        return output;
    }

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        using HostCommand command = HostCommand.StartStrata(["disk", .. arguments]);
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);
        return (code, command.Output, errors);
    }
}
