using System.IO.Pipelines;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Strata.Core.Tests.Logging;

namespace Strata.Tests;

/// <summary>What the library makes of an agent that lies: the guest is hostile.</summary>
public sealed class AgentTests : IDisposable
{
    private readonly RecordingLoggers _loggers = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    public void Dispose() => _timeout.Dispose();

    [Fact]
    public async Task Read_Frame_RoundTrips()
    {
        using MemoryStream stream = new();
        await AgentFrame.WriteAsync(stream, 'O', "text"u8.ToArray(), _timeout.Token);
        stream.Position = 0;

        AgentFrame frame = (await AgentFrame.ReadAsync(stream, _timeout.Token))!.Value;

        Assert.Equal(('O', "text"), (frame.Type, Encoding.ASCII.GetString(frame.Payload)));
        Assert.Null(await AgentFrame.ReadAsync(stream, _timeout.Token));
    }

    [Theory]
    [InlineData(new byte[] { 4, 0, 0 })]
    [InlineData(new byte[] { 4, 0, 0, 0, (byte)'O', 1, 2, 3 })]
    public async Task Read_CutFrame_IsTheEnd(byte[] bytes) =>
        Assert.Null(await AgentFrame.ReadAsync(new MemoryStream(bytes), _timeout.Token));

    [Fact]
    public async Task Read_HugeFrame_IsRefusedBeforeItIsAllocated() =>
        await Assert.ThrowsAsync<InvalidDataException>(
            () => AgentFrame.ReadAsync(new MemoryStream([0xFF, 0xFF, 0xFF, 0x7F, (byte)'O']), _timeout.Token));

    [Fact]
    public void Start_Command_HasTheDocumentedLayout()
    {
        GuestCommand command = new(["ls", "-l"])
        {
            Folder = "/x",
            Terminal = new TerminalSize(25, 80),
            Environment = new Dictionary<string,
            string> { ["A"] = "b" },
        };

        byte[] expected =
            [1, 25, 0, 80, 0, 2, 0, 0, 0, .. "/x"u8, 2, 0, 0, 0, 2, 0, 0, 0, .. "ls"u8, 2, 0, 0, 0, .. "-l"u8, 3, 0, 0, 0, .. "A=b"u8];

        Assert.Equal(expected, AgentFrame.Start(command));
    }

    public static TheoryData<GuestCommand> ImpossibleCommands => new()
    {
        new GuestCommand([]),
        new GuestCommand(["", "x"]),
        new GuestCommand(["echo", "a\0b"]),
        new GuestCommand(["ls"]) { Folder = "/\0" },
        new GuestCommand(["env"]) { Environment = new Dictionary<string, string> { ["A=B"] = "c" } },
        new GuestCommand(["env"]) { Environment = new Dictionary<string, string> { [""] = "c" } },
        new GuestCommand(["env"]) { Environment = new Dictionary<string, string> { ["A"] = "\0" } },
        new GuestCommand(["echo", new string('x', AgentFrame.LargestPayload)]),
    };

    [Theory]
    [MemberData(nameof(ImpossibleCommands))]
    public void Start_CommandThatNoGuestCanRun_IsBadInput(GuestCommand command) =>
        Assert.Equal(StrataError.BadInput, Assert.Throws<StrataException>(() => AgentFrame.Start(command)).Error);

    [Theory]
    [InlineData("X", new byte[] { 7, 0, 0, 0, 0, 0, 0, 0 }, 7)]
    [InlineData("X", new byte[] { 0, 0, 0, 0, 9, 0, 0, 0 }, 137)]
    [InlineData("X", new byte[] { 7, 1, 0, 0, 0, 0, 0, 0 }, 7)]
    public async Task Process_ExitFrame_IsTheCode(string type, byte[] payload, int expected)
    {
        Assert.Equal(expected, await RunAsync((type[0], payload)));
    }

    [Theory]
    [InlineData("X", new byte[] { 7 })]
    [InlineData("?", new byte[0])]
    [InlineData("F", new byte[] { 1 })]
    [InlineData("C", new byte[] { 1 })]
    public async Task Process_BrokenFrame_IsAnErrorOfTheGuest(string type, byte[] payload)
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(() => RunAsync((type[0], payload)));

        Assert.Equal(StrataError.Guest, error.Error);
    }

    [Theory]
    [InlineData(2, "prog: No such file or directory", 127)]
    [InlineData(13, "prog: Permission denied", 126)]
    [InlineData(2, "/folder: No such file or directory", 126)]
    public async Task Start_AgentRefuses_HasTheCodeOfAShell(uint errno, string text, int expected)
    {
        GuestAgent agent = await AnsweringAsync(('F', [.. AgentFrame.Numbers(errno), .. Encoding.UTF8.GetBytes(text)]));

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => agent.RunAsync(new GuestCommand(["prog"]) { Folder = "/folder" }, default, _timeout.Token));

        Assert.Equal((StrataError.Guest, expected), (error.Error, error.CommandExitCode));
    }

    [Fact]
    public async Task CopyToGuest_EntriesThatTheAgentCannotWrite_AreNamedAndTheCopyEnds()
    {
        List<string> leftOut = [];
        GuestAgent agent = await AnsweringAsync(
            ('A', AgentFrame.Numbers(1)), ('L', [.. AgentFrame.Numbers(28), .. "/root/tree/a"u8]),
            ('L', [.. AgentFrame.Numbers(26), .. "/root/tree/b"u8]), ('E', []));

        await agent.CopyToGuestAsync("/proc/version", "/root", leftOut.Add, cancellationToken: _timeout.Token);

        Assert.Equal("/root/tree/a: cannot be written in the guest: No space left on device", leftOut[0]);
        Assert.Contains("--replace", leftOut[1], StringComparison.Ordinal);
        Assert.Equal(2, leftOut.Count);
    }

    [Fact]
    public async Task CopyFromGuest_EntriesThatTheAgentCannotRead_AreNamedAndTheRestIsWritten()
    {
        List<string> leftOut = [];
        string folder = Directory.CreateTempSubdirectory("strata-test-").FullName;
        GuestAgent agent = await AnsweringAsync(
            ('A', AgentFrame.Numbers(1)),
            ('N', new TreeNode(0x1ED, 'd', [], []).ToBytes()),
            ('L', [.. AgentFrame.Numbers(5), .. "gone\u001b[2J"u8]),
            ('N', new TreeNode(0x1A4, 'f', "half"u8.ToArray(), []).ToBytes()),
            ('D', "half"u8.ToArray()),
            ('L', [.. AgentFrame.Numbers(5), .. "half"u8]),
            ('N', new TreeNode(0x1A4, 'f', "whole"u8.ToArray(), []).ToBytes()),
            ('D', "whole"u8.ToArray()),
            ('E', []),
            ('E', []));

        await agent.CopyFromGuestAsync("/root/tree/", folder, leftOut.Add, cancellationToken: _timeout.Token);

        Assert.Equal(
            [
                "/root/tree/gone?[2J: cannot be read in the guest: Input/output error",
                "/root/tree/half: cannot be read in the guest: Input/output error"], leftOut);
        Assert.Equal([Path.Combine(folder, "tree", "whole")], Directory.GetFiles(folder, "*", SearchOption.AllDirectories));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task CopyFromGuest_OntoADeviceWithAFolder_IsRefused()
    {
        GuestAgent agent = await AnsweringAsync(('A', AgentFrame.Numbers(1)), ('N', new TreeNode(0x1ED, 'd', [], []).ToBytes()), ('E', []));

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => agent.CopyFromGuestAsync("/root", "/dev/null", cancellationToken: _timeout.Token));

        Assert.Equal(StrataError.BadInput, error.Error);
    }

    [Fact]
    public async Task Run_AgentHangsUpBeforeItHasReadTheRequest_IsAnErrorOfTheGuest()
    {
        GuestAgent agent = new((_, _) => Task.FromResult<Stream>(new Duplex(Stream.Null, new ClosedStream())));

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => agent.RunAsync(GuestCommand.Shell("true"), default, _timeout.Token));

        Assert.Equal(StrataError.Guest, error.Error);
    }

    [Fact]
    public async Task Process_AgentGone_IsAnErrorOfTheGuest() =>
        Assert.Equal(StrataError.Guest, (await Assert.ThrowsAsync<StrataException>(() => RunAsync())).Error);

    [Fact]
    public async Task Process_AgentGone_IsReported()
    {
        await Assert.ThrowsAsync<StrataException>(() => RunAsync());

        Assert.StartsWith("agent Warning The agent in the guest was lost", Assert.Single(_loggers.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Process_ThatEnds_ReportsNothing()
    {
        await RunAsync(('X', AgentFrame.Numbers(0, 0)));

        Assert.Empty(_loggers.Lines);
    }

    [Fact]
    public async Task WriteInput_ProgramDoesNotRead_WaitsAfterTheWindow()
    {
        Pipe fromAgent = new();
        Pipe toAgent = new(new PipeOptions(pauseWriterThreshold: 10 << 20));
        await using GuestProcess process = new(
            new Duplex(fromAgent.Reader.AsStream(), toAgent.Writer.AsStream()), 1, _ => { }, _ => { }, NullLogger.Instance);

        Task writing = process.WriteInputAsync(new byte[100_000], _timeout.Token);
        await Task.Delay(50, _timeout.Token);
        Assert.False(writing.IsCompleted);
        await AgentFrame.WriteAsync(fromAgent.Writer.AsStream(), 'C', AgentFrame.Numbers(50_000), _timeout.Token);

        await writing;
        await fromAgent.Writer.CompleteAsync();
    }

    [Fact]
    public async Task CloseOutput_Either_SendsSignalAndStreamAsDocumented()
    {
        using MemoryStream sent = new();
        Pipe fromAgent = new();
        await using GuestProcess process = new(new Duplex(fromAgent.Reader.AsStream(), sent), 1, _ => { }, _ => { }, NullLogger.Instance);

        await process.CloseOutputAsync(_timeout.Token);
        await process.CloseErrorOutputAsync(_timeout.Token);

        Assert.Equal([8, 0, 0, 0, (byte)'K', 13, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, (byte)'K', 13, 0, 0, 0, 2, 0, 0, 0], sent.ToArray());
        await fromAgent.Writer.CompleteAsync();
    }

    /// <summary>An agent that says the same whatever it is asked.</summary>
    private async Task<GuestAgent> AnsweringAsync(params (char Type, byte[] Payload)[] frames)
    {
        MemoryStream stream = new();
        foreach ((char type, byte[] payload) in frames)
        {
            await AgentFrame.WriteAsync(stream, type, payload, _timeout.Token);
        }

        stream.Position = 0;
        return new GuestAgent((_, _) => Task.FromResult<Stream>(new Duplex(stream, Stream.Null)));
    }

    private async Task<int> RunAsync(params (char Type, byte[] Payload)[] frames)
    {
        using MemoryStream stream = new();
        foreach ((char type, byte[] payload) in frames)
        {
            await AgentFrame.WriteAsync(stream, type, payload, _timeout.Token);
        }

        stream.Position = 0;
        await using GuestProcess process = new(new Duplex(stream, Stream.Null), 1, _ => { }, _ => { }, _loggers.CreateLogger("agent"));
        return await process.WaitForExitAsync(_timeout.Token);
    }

    /// <summary>Reads from one stream and writes to another.</summary>
    private sealed class ClosedStream : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.FromException(new IOException("The connection is closed for writing."));
    }

    private sealed class Duplex(Stream input, Stream output) : Stream
    {
        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush() => output.Flush();

        public override int Read(byte[] buffer, int offset, int count) => input.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            input.ReadAsync(buffer, cancellationToken);

        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            output.WriteAsync(buffer, cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
