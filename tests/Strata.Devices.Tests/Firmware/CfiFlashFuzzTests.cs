using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Devices.Firmware;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Firmware;

/// <summary>Random cycles on a flash chip whose store fails now and then: in the end the store has what the chip has.</summary>
public sealed class CfiFlashFuzzTests
{
    private const ulong Base = 0xFFC0_0000;
    private const int Size = 8 * CfiFlash.BlockSize;
    private const int Steps = 5_000;

    private static readonly byte[] Commands = [0xFF, 0x10, 0x40, 0x20, 0xD0, 0x50, 0x70, 0x90, 0x98, 0xE8, 0x60, 0xB0];

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public void RandomCycles_WithAStoreThatFails_LeaveTheChipsBytesInTheStore(int seed)
    {
        using GuestMemory chip = new(2 * Size);
        AddressSpace space = new();
        MemoryDisk store = new(Size / 512);
        using CfiFlash flash = new(space, Base, chip, Size, store);
        Random random = new(seed);
        for (int i = 0; i < Steps; i++)
        {
            store.Fails = random.Next(4) == 0;
            AccessWidth width = (AccessWidth)(1 << random.Next(4));
            ulong place = Base + (ulong)(random.Next(8) == 0 ? Size - random.Next(10) : random.Next(Size));
            if (random.Next(4) == 0)
            {
                space.Read(place, width);
            }
            else
            {
                space.Write(place, width, random.Next(5) == 0 ? (ulong)random.NextInt64() : Commands[random.Next(Commands.Length)]);
            }
        }

        store.Fails = false;
        flash.LoadState(flash.SaveState());
        flash.Dispose();

        Assert.True(chip.Slice(0, Size).SequenceEqual(store.Bytes));
    }
}
