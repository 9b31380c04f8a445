using System.Diagnostics;
using System.Text;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A process on pipes: what it prints is collected and can be waited for, and it can be typed into.</summary>
internal sealed class HostCommand : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly Task _pump;
    private readonly Task<string> _errors;

    private HostCommand(Process process)
    {
        _process = process;
        _pump = PumpAsync();
        _errors = process.StandardError.ReadToEndAsync();
    }

    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    public int Id => _process.Id;

    public static HostCommand Start(string tool, params string[] arguments) => Start(tool, new Dictionary<string, string>(), arguments);

    /// <param name="environment">Variables beside those of this process.</param>
    public static HostCommand Start(string tool, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        ProcessStartInfo start = new(tool, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        return new HostCommand(Process.Start(start) ?? throw new InvalidOperationException($"{tool} did not start."));
    }

    /// <summary>
    /// The strata command, as built from these sources; the environment's STRATA_COMMAND names another to be tested, such as the native
    /// one.
    /// </summary>
    public static HostCommand StartStrata(params string[] arguments) => StartStrata(new Dictionary<string, string>(), arguments);

    /// <summary>
    /// The same with variables beside those of this process. A shell starts what it runs in the background with SIGINT and SIGQUIT ignored,
    /// which programs inherit, and .NET leaves them so: tests that run there would wait for ever for the end of what they interrupt.
    /// </summary>
    public static HostCommand StartStrata(IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        const string heard = "--default-signal=INT,QUIT";
        return Environment.GetEnvironmentVariable("STRATA_COMMAND") is { Length: > 0 } command
            ? Start("env", environment, [heard, command, .. arguments])
            : Start("env", environment, [heard, "dotnet", Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll"), .. arguments]);
    }

    /// <summary>Runs a tool whose failure is a failure of the test.</summary>
    /// <returns>Standard output.</returns>
    public static async Task<string> RunAsync(string tool, string[] arguments, CancellationToken cancellationToken)
    {
        using HostCommand command = Start(tool, arguments);
        (int code, string errors) = await command.WaitForExitAsync(cancellationToken);
        Assert.True(code == 0, $"{tool} {string.Join(' ', arguments)} ended with {code}: {errors}");
        return command.Output;
    }

    public async Task TypeAsync(string text, CancellationToken cancellationToken)
    {
        await _process.StandardInput.WriteAsync(text.AsMemory(), cancellationToken);
        await _process.StandardInput.FlushAsync(cancellationToken);
    }

    public void EndInput() => _process.StandardInput.Close();

    public async Task WaitForOutputAsync(string text, CancellationToken cancellationToken)
    {
        while (!Output.Contains(text, StringComparison.Ordinal))
        {
            Assert.False(_pump.IsCompleted, $"The command ended before it printed \"{text}\". It printed: {Output}");
            await Task.Delay(10, cancellationToken);
        }
    }

    /// <returns>Exit code and standard error.</returns>
    public async Task<(int Code, string Errors)> WaitForExitAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _process.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException(
                $"The command did not end. It printed: {Output}\nIts threads: {string.Join(", ", HostThreads.Describe(Id))}");
        }

        await _pump.WaitAsync(cancellationToken);
        return (_process.ExitCode, await _errors.WaitAsync(cancellationToken));
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private async Task PumpAsync()
    {
        char[] buffer = new char[4096];
        int count;
        while ((count = await _process.StandardOutput.ReadAsync(buffer)) > 0)
        {
            lock (_output)
            {
                _output.Append(buffer, 0, count);
            }
        }
    }
}
