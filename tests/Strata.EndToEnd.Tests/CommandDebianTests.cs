using System.Globalization;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>`strata run` with Debian's kernel on pipes.</summary>
public sealed class CommandDebianTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const int Success = 0;
    private const int GuestPanic = 104;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Run_PowerOffTypedThroughThePipe_Succeeds()
    {
        using HostCommand command = HostCommand.StartStrata("run", "debian-tiny", "--memory", "256M");
        await command.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);

        await command.TypeAsync("echo answer-$((6 * 7)); poweroff\n", _timeout.Token);
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(Success, code);
        Assert.Contains("answer-42", command.Output, StringComparison.Ordinal);
        Assert.Empty(errors);
    }

    [Fact]
    public async Task Run_CommandsPipedBeforeTheGuestListens_AreExecuted()
    {
        using HostCommand command = HostCommand.StartStrata("run", "debian-tiny", "--memory", "256M");

        await command.TypeAsync("echo answer-$((6 * 7))\npoweroff\n", _timeout.Token);
        (int code, _) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(Success, code);
        Assert.Contains("\nanswer-42", command.Output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_Terminated_PowersTheGuestOffAndKeepsWhatItWrote()
    {
        using TemporaryFolder folder = new();
        string disk = folder.Write("disk.raw", new byte[1 << 20]);
        using HostCommand command = HostCommand.StartStrata("run", "debian-tiny", "--memory", "256M", "--disk", $"{disk},format=raw");
        await command.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);
        await command.TypeAsync("echo kept > /dev/vda; echo written-$((6 * 7))\n", _timeout.Token);
        await command.WaitForOutputAsync("written-42", _timeout.Token);

        await HostCommand.RunAsync("kill", ["-TERM", command.Id.ToString(CultureInfo.InvariantCulture)], _timeout.Token);
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal((Success, string.Empty), (code, errors));
        Assert.Equal("kept\n"u8.ToArray(), (await File.ReadAllBytesAsync(disk, _timeout.Token))[..5]);
    }

    [Fact]
    public async Task Run_KernelWithoutRoot_IsThePanicCode()
    {
        using HostCommand command = HostCommand.StartStrata("run", "--kernel", guest.Kernel, "--memory", "256M");

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(GuestPanic, code);
        Assert.Contains("Unable to mount root fs", errors, StringComparison.Ordinal);
    }

    public void Dispose() => _timeout.Dispose();
}
