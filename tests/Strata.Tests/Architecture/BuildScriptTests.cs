using System.Diagnostics;

namespace Strata.Tests.Architecture;

/// <summary>The closing line of `./build.sh test`.</summary>
public sealed class BuildScriptTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>As the runner writes it: the counter of tests that were not executed is 0 whatever was skipped.</summary>
    [Fact]
    public void Count_ResultsOfTwoProjects_AddsUpWithTheSkippedOnes()
    {
        _folder.Write("a.trx", """
            <TestRun><Results>
              <UnitTestResult testName="A.One(text: &quot;&lt;&gt;&quot;)" outcome="Passed" />
              <UnitTestResult testName="A.Two" outcome="NotExecuted"><Output /></UnitTestResult>
              <UnitTestResult testName="A.Three" outcome="NotExecuted" />
            </Results><ResultSummary><Counters total="3" executed="1" passed="1" failed="0" notExecuted="0" /></ResultSummary></TestRun>
            """u8);
        _folder.Write("b.trx", """
            <TestRun><Results>
              <UnitTestResult testName="B.One" outcome="Passed" />
              <UnitTestResult testName="B.Two" outcome="Failed" />
            </Results><ResultSummary><Counters total="2" executed="2" passed="1" failed="1" notExecuted="0" /></ResultSummary></TestRun>
            """u8);

        Assert.Equal("2 passed, 1 failed, 2 skipped\n", Count());
    }

    [Fact]
    public void Count_NoResults_IsNothing() => Assert.Equal("0 passed, 0 failed, 0 skipped\n", Count());

    private string Count()
    {
        string script = Path.Combine(ProjectFile.FindRoot(), "build.sh");
        ProcessStartInfo start = new(script, ["count", _folder.PathOf(".")]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}
