using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>Dirty pages that are harvested, and memory that is saved, while guests and devices write.</summary>
public sealed unsafe class DirtyPagesTests
{
    private const ulong Page = GuestMemory.PageSize;
    private const int GuestPages = 8;
    private const ulong DmaPage = 0x20_0000; // beyond the guest's tables

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void HarvestDirty_GuestAndDmaWriting_ACopyOfWhatIsFoundEndsEqual(bool translated)
    {
        using SystemMachine machine = MapChangeTests.CreateUsed(translated);
        GuestMemory memory = machine.Memory;
        uint rounds = MapChangeTests.Rounds(translated);
        MapChangeTests.Place(machine, GuestPages, rounds);
        byte[] copy = memory.Slice(0, (int)memory.Size).ToArray();
        PageBitmap found = new(memory.Pages);
        memory.HarvestDirty(found);
        Thread guest = MapChangeTests.RunInBackground(machine);
        Thread dma = new(() => WriteUntilEnd(machine.Cpu.Memory, guest)) { IsBackground = true };
        dma.Start();
        int harvests = 0;
        while (guest.IsAlive)
        {
            Harvest(memory, copy);
            harvests++;
        }

        Assert.True(guest.Join(Patience) && dma.Join(Patience));
        Harvest(memory, copy);

        Assert.True(harvests > 1);
        Assert.Equal((ulong)rounds, machine.Quad(SystemMachine.Data));
        for (ulong page = 0; page < memory.Pages; page++)
        {
            Assert.True(
                memory.Slice(page * Page, (int)Page).SequenceEqual(copy.AsSpan((int)(page * Page), (int)Page)),
                $"Page {page} was written unnoticed.");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Guard_GuestThatGoesOn_SavesTheMomentOfThePause(bool translated)
    {
        using SystemMachine machine = MapChangeTests.CreateUsed(translated);
        GuestMemory memory = machine.Memory;
        uint rounds = MapChangeTests.Rounds(translated);
        MapChangeTests.Place(machine, GuestPages, rounds);
        Thread first = MapChangeTests.RunInBackground(machine);
        WaitUntilStarted(machine);
        machine.Engine.Kick();
        Assert.True(first.Join(Patience));
        Assert.Equal(VcpuStop.Kicked, machine.Stop); // in the middle of it, with rights to write in its TLB
        byte[] expected = memory.Slice(0, (int)memory.Size).ToArray();
        byte[] saved = new byte[expected.Length];
        using MemoryGuard guard = memory.Guard((page, bytes) => bytes.CopyTo(saved.AsSpan((int)(page * Page))));

        Thread guest = MapChangeTests.RunInBackground(machine, isStarted: true);
        guard.TakeAll(CancellationToken.None);
        Assert.True(guest.Join(Patience));

        Assert.Equal((long)memory.Pages, guard.Saved);
        Assert.True(saved.AsSpan().SequenceEqual(expected));
        Assert.Equal((ulong)rounds, machine.Quad(SystemMachine.Data));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Guard_WhileAGuestRuns_IsRefused(bool translated)
    {
        using SystemMachine machine = MapChangeTests.CreateUsed(translated);
        MapChangeTests.Place(machine, GuestPages, rounds: uint.MaxValue);
        Thread guest = MapChangeTests.RunInBackground(machine);
        WaitUntilStarted(machine);

        Assert.Throws<InvalidOperationException>(() => machine.Memory.Guard((_, _) => { }));

        machine.Engine.Kick();
        Assert.True(guest.Join(Patience));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Store_ToCodeThatAnotherVcpuDecodesBeforeItLands_DropsThatCode(bool translated)
    {
        using SystemMachine machine = MapChangeTests.CreateUsed(translated);
        const ulong page = SystemMachine.Data / Page;
        int dropped = 0;
        machine.Memory.MarkCode(page);
        machine.Memory.CodeWritten += (memory, index) =>
        {
            if (index == page && dropped++ == 0)
            {
                Thread other = new(() => memory.MarkCode(page)); // decodes the old bytes
                other.Start();
                other.Join();
            }
        };

        machine.Start(a => a.mov(__qword_ptr[rbx], rax));

        machine.AssertNoEvent();
        Assert.Equal(2, dropped);
        Assert.False(machine.Memory.HoldsCode(page));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Store_ThroughARightThatAFlushTakesAway_DropsCodeDecodedBefore(bool translated)
    {
        using SystemMachine machine = MapChangeTests.CreateUsed(translated);
        const ulong page = SystemMachine.Data / Page;
        machine.Memory.MarkCode(page + 1);
        machine.Memory.CodeWritten += (memory, index) =>
        {
            if (index == page + 1)
            {
                Thread other = new(() => memory.MarkCode(page)); // decodes, and asks for the right to write
                other.Start();
                other.Join();
            }
        };

        machine.Start(a =>
        {
            a.mov(__qword_ptr[rbx], rax); // the right
            a.mov(__byte_ptr[rbx + (int)Page], al);
            a.mov(__qword_ptr[rbx], rcx); // the bytes that were decoded, before the request is served
            a.mov(rax, cr3);
            a.mov(cr3, rax);
        });

        machine.AssertNoEvent();
        Assert.False(machine.Memory.HoldsCode(page));
    }

    private static void WaitUntilStarted(SystemMachine machine)
    {
        while (!MapChangeTests.HasStarted(machine))
        {
            Thread.Yield();
        }
    }

    private static void WriteUntilEnd(AddressSpace space, Thread guest)
    {
        for (byte value = 0; guest.IsAlive; value++)
        {
            if (space.TryBeginWrite(DmaPage + (value * Page / 2), (uint)Page, out DmaWrite write))
            {
                using (write)
                {
                    write.Span.Fill(value);
                }
            }
        }
    }

    private static void Harvest(GuestMemory memory, byte[] copy)
    {
        PageBitmap found = new(memory.Pages);
        memory.HarvestDirty(found);
        foreach (ulong page in found)
        {
            memory.Slice(page * Page, (int)Page).CopyTo(copy.AsSpan((int)(page * Page)));
        }
    }
}
