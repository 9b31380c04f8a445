using Strata.Core.State;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;

namespace Strata.Networking.Tests.Nat;

/// <summary>Damaged records of a user-mode network: each is refused with a sentence or loaded, and guests are served behind it.</summary>
public sealed class UserNetworkHostileStateTests : IDisposable
{
    private const int Mutations = 10_000;

    private readonly NatBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Load_DamagedRecords_AreRefusedOrHarmless()
    {
        Random random = new(11);
        _bench.Introduce();
        _bench.Send(GuestFrames.Dhcp(GuestFrames.GuestMac, [53, 1, 1]));
        _bench.Take();
        IUnit unit = _bench.Network.GetUnits("nat").Single();
        StateWriter writer = new();
        unit.Save(writer);
        byte[] good = writer.ToArray();
        int refused = 0;
        for (int i = 0; i < Mutations; i++)
        {
            byte[] bytes = [.. good];
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                unit.Load(new StateReader(bytes.AsMemory(0, random.Next(4) == 0 ? random.Next(bytes.Length) : bytes.Length), "nat"));
            }
            catch (StateException error)
            {
                refused++;
                Assert.Contains("nat", error.Message, StringComparison.Ordinal);
            }

            unit.Resume();
        }

        unit.Load(new StateReader(good, "nat"));
        Assert.Equal((1, 1), (_bench.Network.TableSizes.Leases, _bench.Network.TableSizes.Neighbours));
        Assert.InRange(refused, 1, Mutations - 1);
    }
}
