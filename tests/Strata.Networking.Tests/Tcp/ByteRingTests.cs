using FsCheck;
using FsCheck.Fluent;
using Strata.Networking.Tcp;

namespace Strata.Networking.Tests.Tcp;

/// <summary>The queue of a connection against a list of bytes.</summary>
public sealed class ByteRingTests
{
    private const int Limit = 1 << 16;

    [Fact]
    public void Ring_AnySequenceOfWritesAndSkips_BehavesAsAList()
    {
        Gen<int[]> operations = Gen.Choose(-20_000, 20_000).ArrayOf();

        Prop.ForAll(operations.ToArbitrary(), steps =>
        {
            BufferBudget budget = new(Limit);
            ByteRing ring = new(budget, Limit);
            List<byte> model = [];
            byte value = 0;
            foreach (int step in steps)
            {
                if (step < 0)
                {
                    int count = Math.Min(-step, model.Count);
                    ring.Skip(count);
                    model.RemoveRange(0, count);
                }
                else
                {
                    byte[] bytes = [.. Enumerable.Range(0, step).Select(_ => value++)];
                    int taken = ring.Write(bytes);
                    model.AddRange(bytes[..taken]);
                    Assert.True(taken == step || model.Count == Limit);
                }

                Assert.Equal(model.Count, ring.Count);
                Assert.Equal(model, Read(ring));
                Assert.InRange(budget.Used, ring.Count, Limit);
            }

            ring.Clear();
            return budget.Used == 0;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Write_BudgetSpent_TakesWhatFits()
    {
        BufferBudget budget = new(1 << 14);
        ByteRing first = new(budget, Limit);
        ByteRing second = new(budget, Limit);

        Assert.Equal(1 << 14, first.Write(new byte[Limit]));
        Assert.Equal(0, second.Write([1]));
        Assert.True(second.WritableSpan(1).IsEmpty);
        first.Skip(1 << 14); // empty and the budget is tight: the memory goes back

        Assert.Equal(1, second.Write([1]));
    }

    private static List<byte> Read(ByteRing ring)
    {
        List<byte> bytes = [];
        while (bytes.Count < ring.Count)
        {
            bytes.AddRange(ring.Peek(bytes.Count, ring.Count));
        }

        return bytes;
    }
}
