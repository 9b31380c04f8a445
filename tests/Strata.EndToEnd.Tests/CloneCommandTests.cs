using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>`strata clone` of a machine that another process runs.</summary>
public sealed class CloneCommandTests(NamedMachine machine) : IClassFixture<NamedMachine>, IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Clone_OfARunningMachine_RunsHereUnderItsName()
    {
        await RunAsync("exec", NamedMachine.Name, "sh", "-c", "echo here > /tmp/mark");

        using HostCommand clone = machine.Start("clone", NamedMachine.Name, "two");
        Assert.Equal("here\ntwo\n", await ExecWhenThereAsync("two", "cat /tmp/mark; hostname"));

        Assert.Equal("here\ndebian-tiny\n", await RunAsync("exec", NamedMachine.Name, "sh", "-c", "cat /tmp/mark; hostname"));
        await RunAsync("stop", "two");
        (int code, string errors) = await clone.WaitForExitAsync(_timeout.Token);
        Assert.Equal(0, code);
        Assert.Contains("the host chose a port", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clone_Several_RunWithoutTerminalUntilTheyAreStopped()
    {
        using HostCommand clones = machine.Start("clone", NamedMachine.Name, "many", "--count", "2");
        await clones.WaitForOutputAsync("many-2 --forward", _timeout.Token);

        string first = await RunAsync("exec", "many-1", "cat", "/sys/class/net/eth0/address");
        string second = await RunAsync("exec", "many-2", "cat", "/sys/class/net/eth0/address");
        await RunAsync("stop", "--force", "many-1");
        string left = await RunAsync("list");
        await RunAsync("stop", "--force", "many-2");

        Assert.NotEqual(first, second);
        Assert.DoesNotContain("many-1", left, StringComparison.Ordinal);
        Assert.Contains("many-2", left, StringComparison.Ordinal);
        Assert.Equal(0, (await clones.WaitForExitAsync(_timeout.Token)).Code);
    }

    [Fact]
    public async Task Clone_OfNoMachine_SaysWhichRun()
    {
        (int code, _, string errors) = await machine.RunAsync(_timeout.Token, "clone", "nobody");

        Assert.Equal(2, code);
        Assert.Contains("strata list", errors, StringComparison.Ordinal);
    }

    public void Dispose() => _timeout.Dispose();

    private async Task<string> RunAsync(params string[] arguments)
    {
        (int code, string output, string errors) = await machine.RunAsync(_timeout.Token, arguments);
        Assert.True(code == 0, errors);
        return output;
    }

    /// <summary>The name is there before the clone has started; its commands wait for that.</summary>
    private async Task<string> ExecWhenThereAsync(string name, string line)
    {
        while (!(await RunAsync("list")).Contains(name, StringComparison.Ordinal))
        {
            await Task.Delay(50, _timeout.Token);
        }

        return await RunAsync("exec", name, "sh", "-c", line);
    }
}
