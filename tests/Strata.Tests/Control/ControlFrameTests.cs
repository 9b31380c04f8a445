using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Strata.Control;

namespace Strata.Tests.Control;

/// <summary>The control protocol's frames and messages, from a peer that lies.</summary>
public sealed class ControlFrameTests
{
    private const int Streams = 2000;
    private const int Seed = 4711;

    [Fact]
    public void Read_WhatWasWritten_ComesBackInWhateverPieces()
    {
        Gen<(ControlFrameType, byte[])> frames = Gen.Choose(0, 2).SelectMany(
            kind => ArbMap.Default.GeneratorFor<byte[]>().Select(bytes => kind switch
            {
                0 => (ControlFrameType.Message, bytes),
                1 => (ControlFrameType.Data, bytes),
                _ => (ControlFrameType.End, Array.Empty<byte>()),
            }));
        Prop.ForAll(frames.ListOf().ToArbitrary(), list =>
        {
            using MemoryStream stream = new();
            foreach ((ControlFrameType type, byte[] payload) in list)
            {
                new ControlFrame(type, payload).WriteAsync(stream, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            }

            using Trickle pieces = new(stream.ToArray());
            List<(ControlFrameType, byte[])> read = [];
            while (Read(pieces) is { } frame)
            {
                read.Add((frame.Type, frame.Payload.ToArray()));
            }

            Assert.Equal(list.Count, read.Count);
            Assert.All(
                list.Zip(read),
                pair => Assert.True(pair.First.Item1 == pair.Second.Item1 && pair.First.Item2.SequenceEqual(pair.Second.Item2)));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Read_RandomBytes_AreFramesOrAnErrorOfTheProtocol()
    {
        Random random = new(Seed);
        int refused = 0;
        for (int i = 0; i < Streams; i++)
        {
            byte[] bytes = new byte[random.Next(0, 40)];
            random.NextBytes(bytes);
            if (bytes.Length > 4 && random.Next(2) == 0)
            {
                bytes[4] = "JDE"u8[random.Next(3)];
                bytes[2] = bytes[3] = 0;
            }

            using MemoryStream stream = new(bytes);
            try
            {
                while (Read(stream) is { } frame)
                {
                    Assert.InRange(frame.Payload.Length, 0, bytes.Length);
                }
            }
            catch (ControlProtocolException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, Streams / 2, Streams - 1);
    }

    [Theory]
    [InlineData('J', ControlFrame.LargestMessage + 1)]
    [InlineData('D', ControlFrame.LargestData + 1)]
    [InlineData('E', 1)]
    [InlineData('J', -1)]
    [InlineData('X', 0)]
    public void ParseHeader_MoreThanAllowed_IsRefusedBeforeItIsAllocated(char type, int length) =>
        Assert.Throws<ControlProtocolException>(() => ControlFrame.ParseHeader([.. BitConverter.GetBytes(length), (byte)type]));

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(7)]
    public void Read_StreamThatEndsInAFrame_IsAnError(int length)
    {
        using MemoryStream stream = new(((byte[])[3, 0, 0, 0, (byte)'D', 1, 2, 3])[..length]);

        Assert.Throws<ControlProtocolException>(() => Read(stream));
    }

    [Fact]
    public void ReadRequest_WhatWasWritten_ComesBack()
    {
        ControlRequest request = new() { Operation = ControlOperation.Engine, Engine = Engine.Interpreter, Port = 7 };

        Assert.Equal(request, ControlJson.ReadRequest(ControlJson.Write(request)));
    }

    [Theory]
    [InlineData("""{"version":2,"operation":"Describe"}""", "version 2")]
    [InlineData("""{"operation":"Describe"}""", "version 0")]
    [InlineData("""{"version":"1","operation":"Describe"}""", "version 0")]
    [InlineData("""{"version":1}""", "operation")]
    [InlineData("""{"version":1,"operation":"Explode"}""", "cannot be read")]
    [InlineData("""{"version":1,"operation":"Connect","port":-1}""", "cannot be read")]
    [InlineData("""{"version":1,"operation":"Describe"} {}""", "no JSON")]
    [InlineData("[]", "version 0")]
    [InlineData("", "no JSON")]
    public void ReadRequest_NoRequest_IsRefusedWithTheCause(string json, string cause)
    {
        ControlProtocolException error = Assert.Throws<ControlProtocolException>(
            () => ControlJson.ReadRequest(new ControlFrame(ControlFrameType.Message, Encoding.UTF8.GetBytes(json))));

        Assert.Contains(cause, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ReadRequest_DeepJson_IsRefused()
    {
        string json = $$"""{"version":1,"operation":"Describe","x":{{new string('[', 1000)}}{{new string(']', 1000)}}}""";

        Assert.Throws<ControlProtocolException>(
            () => ControlJson.ReadRequest(new ControlFrame(ControlFrameType.Message, Encoding.UTF8.GetBytes(json))));
    }

    [Fact]
    public void ReadRequest_DamagedRequests_AreRequestsOrAnErrorOfTheProtocol()
    {
        Random random = new(Seed);
        byte[] good = ControlJson.Write(new ControlRequest { Operation = ControlOperation.Connect, Port = 1025 }).Payload.ToArray();
        int refused = 0;
        for (int i = 0; i < Streams; i++)
        {
            byte[] bytes = [.. good];
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            try
            {
                Assert.True(Enum.IsDefined(ControlJson.ReadRequest(new ControlFrame(ControlFrameType.Message, bytes)).Operation));
            }
            catch (ControlProtocolException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, Streams / 2, Streams);
    }

    private static ControlFrame? Read(Stream stream) =>
        ControlFrame.ReadAsync(stream, CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <summary>Gives one byte at a time.</summary>
    private sealed class Trickle(byte[] bytes) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(1, buffer.Length)], cancellationToken);
    }
}
