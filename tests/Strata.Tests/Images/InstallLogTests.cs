using System.Text;
using Strata.Images;

namespace Strata.Tests.Images;

/// <summary>What is read from the console of a machine that installs; the guest may print anything.</summary>
public sealed class InstallLogTests
{
    private readonly List<string> _steps = [];
    private readonly InstallLog _log;

    public InstallLogTests() => _log = new InstallLog(new Steps(_steps));

    [Fact]
    public void Write_StepInPieces_IsReportedOnce()
    {
        Write("noise\r\nstrata: st");
        Write("ep Unpacking\r");
        Write("\nmore");

        Assert.Equal(["Unpacking"], _steps);
        Assert.False(_log.IsComplete);
    }

    [Fact]
    public void Write_EndMark_Completes()
    {
        Write("strata: The system is installed.\r\n");

        Assert.True(_log.IsComplete);
    }

    [Fact]
    public void Write_EndMarkInsideALine_DoesNotComplete()
    {
        Write("echo strata: The system is installed.\r\n");

        Assert.False(_log.IsComplete);
    }

    [Fact]
    public void LastLines_EndlessOutput_StayShortAndPrintable()
    {
        Write(new string('x', 100_000) + "\n");
        for (int i = 0; i < 1000; i++)
        {
            Write($"line\e[{i}\n");
        }

        string[] lines = _log.LastLines.Split('\n');

        Assert.Equal(20, lines.Length);
        Assert.Equal("line [999", lines[^1]);
    }

    private void Write(string text) => _log.Write(Encoding.ASCII.GetBytes(text));

    private sealed class Steps(List<string> steps) : IProgress<string>
    {
        public void Report(string value) => steps.Add(value);
    }
}
