using System.Globalization;
using Microsoft.Extensions.Logging;
using Strata.Control;

namespace Strata.Cli;

/// <summary>Loggers that write a line a report: on standard error, or with the time in a file. Safe on any thread.</summary>
internal sealed class TextLoggers : ILoggerFactory
{
    private readonly LogSettings _settings;
    private readonly StreamWriter? _file; // under _gate
    private readonly Lock _gate = new();

    /// <param name="path">The file, or null.</param>
    /// <exception cref="StrataException">The file cannot be written.</exception>
    public TextLoggers(LogSettings settings, string? path)
    {
        _settings = settings;
        try
        {
            _file = path is null ? null : new StreamWriter(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite))
            {
                AutoFlush = true,
            };
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StrataException(StrataError.BadInput, $"The log file {path} cannot be written: {error.Message}", error);
        }
    }

    public ILogger CreateLogger(string categoryName) => new TextLogger(this, categoryName);

    /// <summary>There is one provider, which is built in.</summary>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("The command writes its log itself.");

    public void Dispose()
    {
        lock (_gate)
        {
            _file?.Dispose();
        }
    }

    private void Write(string category, LogLevel level, string text)
    {
        string area = LogSettings.Areas.FirstOrDefault(candidate => candidate.Category == category)?.Name ?? category;
        string line = $"{level.ToString().ToLowerInvariant()}: {area}: {Printable.Text(text)}";
        lock (_gate)
        {
            if (_file is null)
            {
                Console.Error.Write($"strata: {line}\r\n"); // on a terminal in raw mode a line feed alone does not go back
                return;
            }

            try
            {
                _file.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyy-MM-dd'T'HH:mm:ss.fff'Z'} {line}"));
            }
            catch (Exception error) when (error is IOException or ObjectDisposedException)
            {
                Console.Error.Write($"strata: {line}\r\n"); // a full disk does not end the machine, and the report is not lost
            }
        }
    }

    private sealed class TextLogger(TextLoggers owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => owner._settings.IsEnabled(category, logLevel);

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                owner.Write(category, logLevel, formatter(state, exception));
            }
        }
    }
}
