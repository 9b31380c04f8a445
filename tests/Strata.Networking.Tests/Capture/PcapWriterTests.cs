using System.Diagnostics;
using Strata.Core.Networking;
using Strata.Networking.Capture;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Capture;

/// <summary>The file byte by byte, and as tcpdump reads it.</summary>
public sealed class PcapWriterTests
{
    private static readonly DateTimeOffset Start = DateTimeOffset.UnixEpoch + TimeSpan.FromTicks(
        (1_700_000_000L * TimeSpan.TicksPerSecond) + 1234567);

    [Fact]
    public void Write_OneFrame_HasHeaderTimeAndBothLengths()
    {
        MemoryStream file = new();
        using (PcapWriter writer = new(file, new FixedTime()))
        {
            writer.Write([1, 2, 3], [4, 5], FrameOffload.None);
        }

        byte[] expected =
        [
            0x4D, 0x3C, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
            0x00, 0xF1, 0x53, 0x65, 0xBC, 0xCC, 0x5B, 0x07, 5, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4, 5,
        ];
        Assert.Equal(expected, file.ToArray());
    }

    [Fact]
    public void Write_DiskFull_EndsTheCaptureAndSaysWhy()
    {
        using PcapWriter writer = new(new FullStream());

        writer.Write([1, 2, 3], [], FrameOffload.None);
        writer.Write([1, 2, 3], [], FrameOffload.None);

        Assert.Contains("no room", writer.Failure, StringComparison.Ordinal);
    }

    [ToolFact("tcpdump")]
    public void Capture_OfAPing_IsReadByTcpdump()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("strata-capture-").FullName, "ping.pcap");
        try
        {
            using (NatBench bench = new())
            {
                CapturedNetwork network = new(bench.Network, PcapWriter.Create(path));
                network.Connect(bench.Card);
                byte[] message = [8, 0, 0, 0, 0, 7, 0, 1, .. "abcdefgh"u8];
                Big16(Checksum(message)).CopyTo(message, 2);
                network.Send(Packet(Guest, Gateway, IcmpProtocol, message), FrameOffload.None);
                network.Dispose();
            }

            string text = Run("tcpdump", "-n", "-v", "-r", path);

            Assert.Contains("10.0.2.15 > 10.0.2.2: ICMP echo request, id 7, seq 1", text, StringComparison.Ordinal);
            Assert.Contains("10.0.2.2 > 10.0.2.15: ICMP echo reply, id 7, seq 1", text, StringComparison.Ordinal);
            Assert.DoesNotContain("wrong", text, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        }
    }

    private static string Run(string tool, params string[] arguments)
    {
        using Process process = Process.Start(
            new ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string output = process.StandardOutput.ReadToEnd();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors);
        return output;
    }

    private sealed class FixedTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Start;
    }

    /// <summary>A disk with room for the file's header only.</summary>
    private sealed class FullStream : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Length > 0)
            {
                throw new IOException("There is no room left.");
            }

            base.Write(buffer);
        }
    }

    [AttributeUsage(AttributeTargets.Method)]
    private sealed class ToolFactAttribute : FactAttribute
    {
        public ToolFactAttribute(string tool)
        {
            string[] folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':'), "/usr/sbin", "/sbin"];
            Skip = folders.Any(folder => File.Exists(Path.Combine(folder, tool))) ? null : $"The host has no {tool}.";
        }
    }
}
