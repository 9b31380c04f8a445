using Strata.Virtio.Network;

namespace Strata.Virtio.Tests.Network;

public sealed class FlowSteeringTests
{
    public static TheoryData<byte[]> Flows =>
        [FlowFrame.Udp(1000, 53), FlowFrame.Udp(1000, 80, protocol: 6), FlowFrame.Tcp6(1000, 80), FlowFrame.Udp(0, 0, protocol: 1)];

    [Theory]
    [MemberData(nameof(Flows))]
    public void Hash_BothDirectionsWithAndWithoutTag_AreTheSame(byte[] frame)
    {
        Assert.True(FlowSteering.TryHash(frame, out uint hash));

        Assert.True(FlowSteering.TryHash(FlowFrame.Reversed(frame), out uint reversed));
        Assert.True(FlowSteering.TryHash(FlowFrame.Tagged(frame), out uint tagged));
        Assert.Equal((hash, hash), (reversed, tagged));
    }

    [Fact]
    public void Hash_Ports_TellFlowsApart()
    {
        FlowSteering.TryHash(FlowFrame.Udp(1000, 53), out uint one);
        FlowSteering.TryHash(FlowFrame.Udp(1001, 53), out uint two);

        Assert.NotEqual(one, two);
    }

    [Theory]
    [InlineData(0x2000)] // the first fragment
    [InlineData(0x00B9)] // a later one, which has no ports
    public void Hash_Fragments_DoNotDependOnPorts(ushort fragment)
    {
        FlowSteering.TryHash(FlowFrame.Udp(1000, 53, fragment: fragment), out uint one);
        FlowSteering.TryHash(FlowFrame.Udp(7, 9, fragment: fragment), out uint two);

        Assert.Equal(one, two);
    }

    [Fact]
    public void Hash_EveryBeginningOfAFrame_IsMadeOrRefused()
    {
        foreach (byte[] frame in new[] { FlowFrame.Udp(1, 2), FlowFrame.Tcp6(1, 2), FlowFrame.Tagged(FlowFrame.Udp(1, 2)) })
        {
            int[] made = [.. Enumerable.Range(0, frame.Length).Where(length => FlowSteering.TryHash(frame.AsSpan(0, length), out _))];

            Assert.True(made[0] >= 14 + 20);
        }
    }

    [Fact]
    public void Hash_Noise_NeverFails()
    {
        Random random = new(5);
        byte[] frame = new byte[64];
        for (int i = 0; i < 100_000; i++)
        {
            random.NextBytes(frame);
            byte[] type = random.Next(4) switch { 0 => [8, 0], 1 => [0x86, 0xDD], 2 => [0x81, 0], _ => [0x88, 0xA8] };
            type.CopyTo(frame, 12);
            int length = random.Next(frame.Length + 1);

            FlowSteering.TryHash(frame.AsSpan(0, length), out _);
        }
    }

    [Fact]
    public void Find_LearntFlow_WantsItsLastPairWhileThatIsUsed()
    {
        FlowSteering steering = new();
        byte[] flow = FlowFrame.Udp(1000, 53);
        steering.Learn(flow, 3);
        steering.Learn(flow, 2);

        Assert.Equal(2, steering.Find(FlowFrame.Reversed(flow), pairs: 4, out _).Wanted);
        Assert.InRange(steering.Find(flow, pairs: 2, out _).Wanted, 0, 1);
        Assert.Equal(0, steering.Find(new byte[60], pairs: 4, out uint? none).Wanted); // no IP
        Assert.Null(none);
    }

    [Fact]
    public void Find_DeliveredFrame_IsKnownUntilForgotten()
    {
        FlowSteering steering = new();
        byte[] flow = FlowFrame.Udp(1000, 53);
        Assert.Equal(-1, steering.Find(flow, pairs: 4, out uint? hash).Last);

        steering.Delivered(hash!.Value, pair: 3, usedIndex: 0xFFFE);
        steering.Learn(flow, 1);

        FlowSteering.Flow found = steering.Find(flow, pairs: 4, out _);
        Assert.Equal((1, 3, (ushort)0xFFFE), (found.Wanted, found.Last, found.UsedIndex));
        steering.Forget();
        Assert.Equal(-1, steering.Find(flow, pairs: 4, out _).Last);
    }
}
