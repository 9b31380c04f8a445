using Microsoft.Extensions.Logging;
using Strata.Core.Bus;
using Strata.Core.Logging;
using Strata.Devices.Serial;
using Strata.Devices.Tests.Harness;
using Strata.Machines.Boards;

namespace Strata.Machines.Tests.Firmware;

/// <summary>The file that firmware's variables are kept in may fail: the user hears of it, and the chip's content is tried again.</summary>
public sealed class VariableStoreTests : ILoggerFactory, ILogger, ISerialBackend
{
    private const int RomSize = 64 << 10;
    private const int StoreSize = 64 << 10;
    private const ulong Flash = 0x1_0000_0000 - RomSize - StoreSize;

    private readonly List<(LogLevel Level, string Text)> _reports = []; // the test's thread alone
    private readonly MemoryDisk _store = new(StoreSize / 512);

    [Fact]
    public void Change_WithAStoreThatFails_IsReportedAndKeptAtTheEnd()
    {
        using (PcBoard board = Create())
        {
            _store.Fails = true;
            Program(board, 0x1234, 0x5A);

            (LogLevel level, string text) = Assert.Single(_reports, report => report.Text.Contains("variables", StringComparison.Ordinal));
            Assert.Equal(LogLevel.Error, level);
            Assert.Contains("as the test wants", text, StringComparison.Ordinal);
            _store.Fails = false;
        }

        Assert.Equal(0x5A, _store.Bytes[0x1234]);
    }

    [Fact]
    public void Dispose_WithAStoreThatFailsToTheEnd_FreesEverythingAndSaysSo()
    {
        PcBoard board = Create();
        _store.Fails = true;
        Program(board, 0x1234, 0x5A);

        IOException error = Assert.Throws<IOException>(board.Dispose);

        Assert.Contains("The firmware's variables could not be kept", error.Message, StringComparison.Ordinal);
        Assert.True(_store.IsDisposed);
    }

    void IDisposable.Dispose()
    {
    }

    void ILoggerFactory.AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    ILogger ILoggerFactory.CreateLogger(string categoryName) => this;

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    bool ILogger.IsEnabled(LogLevel logLevel) => true;

    void ILogger.Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _reports.Add((logLevel, formatter(state, exception)));

    void ISerialBackend.Write(ReadOnlySpan<byte> bytes)
    {
    }

    /// <summary>Programs a byte as firmware does, and shows the array again.</summary>
    private static void Program(PcBoard board, ulong offset, byte value)
    {
        board.Memory.Write(Flash + offset, AccessWidth.Byte, 0x40);
        board.Memory.Write(Flash + offset, AccessWidth.Byte, value);
        board.Memory.Write(Flash + offset, AccessWidth.Byte, 0xFF);
    }

    private PcBoard Create()
    {
        byte[] variables = new byte[StoreSize];
        Array.Fill(variables, (byte)0xFF);
        variables.CopyTo(_store.Bytes, 0);
        return new PcBoard(new PcBoardOptions
        {
            MemorySize = 16 << 20,
            Serial = this,
            StartTime = DateTime.UnixEpoch,
            Kernel = null,
            Loggers = new MachineLoggers(this, TimeProvider.System),
            Firmware = new PcFirmwareOptions
            {
                Rom = new byte[RomSize],
                VideoRom = [],
                Variables = variables,
                VariableStore = _store,
            },
        });
    }
}
