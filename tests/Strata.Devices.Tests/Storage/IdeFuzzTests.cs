using Strata.Core.Bus;
using Strata.Devices.Storage;
using Strata.Core.State;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Storage;

/// <summary>What a guest may do to an IDE disk, a CD drive and their bus masters: anything. Each access ends, and nothing throws.</summary>
public sealed class IdeFuzzTests : IDisposable
{
    private const int Steps = 20_000;
    private const int Master = 0xC000;

    private static readonly byte[] DiskCommands = [
        0x00, 0x08, 0x10, 0x20, 0x21, 0x24, 0x25, 0x27, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0x42, 0x70, 0x90, 0x91, 0xA0, 0xA1, 0xB0,
        0xC4, 0xC5, 0xC6, 0xC8, 0xCA, 0xE0, 0xE1, 0xE2, 0xE3, 0xE5, 0xE6, 0xE7, 0xEA, 0xEC, 0xEF, 0xF5, 0xF8];

    private static readonly byte[] Packets = [
        0x00, 0x03, 0x12, 0x1B, 0x1E, 0x23, 0x25, 0x28, 0x2B, 0x42, 0x43, 0x46, 0x4A, 0x51, 0x52, 0x55, 0x5A, 0xA8, 0xAD, 0xB9, 0xBD, 0xBE];

    private readonly IdeBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public void RandomCommandsPacketsAndTables_OfAHostileGuest_AlwaysEnd(int seed)
    {
        Random random = new(seed);
        for (int i = 0; i < Steps; i++)
        {
            Step(random);
        }

        foreach (IUnit<IdeChannelState> unit in (IUnit<IdeChannelState>[])[_bench.First, _bench.Second])
        {
            unit.LoadState(unit.SaveState());
        }

        Assert.Equal(IdeBench.Sectors, _bench.Disk.Sectors);
    }

    private void Step(Random random)
    {
        int channel = random.Next(2);
        int registers = channel == 0 ? 0x1F0 : 0x170;
        switch (random.Next(12))
        {
            case 0:
                _bench.Out(registers + random.Next(8), random.Next(256));
                break;
            case 1:
                _bench.Out(registers + 0x206, random.Next(8) == 0 ? 4 : random.Next(2) * 2);
                break;
            case 2:
                _bench.Memory.Write(IdeBench.Table + ((uint)random.Next(8) * 8), AccessWidth.Qword, Entry(random));
                break;
            case 3:
                _bench.Ports.Write((ushort)(Master + (8 * channel) + 4), AccessWidth.Dword, Table(random));
                _bench.Out(Master + (8 * channel) + 2, 6);
                _bench.Out(Master + (8 * channel), random.Next(2) * 8);
                _bench.Out(Master + (8 * channel), 1 + (random.Next(2) * 8));
                break;
            case 4:
                _bench.Ports.Write((ushort)(Master + random.Next(16)), (AccessWidth)(1 << random.Next(3)), (uint)random.NextInt64());
                break;
            case 5:
                SendPacket(random);
                break;
            case 6:
                for (int i = random.Next(300); i > 0; i--)
                {
                    _bench.Ports.Read((ushort)registers, (AccessWidth)(1 << random.Next(3)));
                }

                break;
            case 7:
                for (int i = random.Next(300); i > 0; i--)
                {
                    _bench.Ports.Write((ushort)registers, (AccessWidth)(1 << random.Next(3)), (uint)random.NextInt64());
                }

                break;
            case 8:
                _bench.In(registers + random.Next(8));
                break;
            default:
                _bench.Out(registers + 1, random.Next(4));
                _bench.Out(registers + 2, random.Next(256));
                _bench.Out(registers + 3, random.Next(256));
                _bench.Out(registers + 4, random.Next(5));
                _bench.Out(registers + 5, random.Next(30) == 0 ? random.Next(256) : 0);
                _bench.Out(registers + 6, 0xA0 | random.Next(256));
                _bench.Out(registers + 7, random.Next(10) == 0 ? random.Next(256) : DiskCommands[random.Next(DiskCommands.Length)]);
                break;
        }
    }

    private void SendPacket(Random random)
    {
        byte[] packet = new byte[12];
        random.NextBytes(packet);
        packet[0] = random.Next(10) == 0 ? packet[0] : Packets[random.Next(Packets.Length)];
        packet.AsSpan(2, random.Next(10)).Clear();
        _bench.Packet(packet, random.Next(0x10000) >> random.Next(16), random.Next(2) == 0);
    }

    private static uint Table(Random random) => random.Next(6) switch
    {
        0 => 0xFFFF_FFFC,
        1 => (uint)random.NextInt64(),
        2 => (1 << 20) - 4, // the end of RAM
        _ => IdeBench.Table,
    };

    private static ulong Entry(Random random)
    {
        uint address = random.Next(5) switch
        {
            0 => (uint)random.NextInt64(),
            1 => 0xFFFF_FFFE,
            2 => (1 << 20) - 2,
            _ => IdeBench.Buffer + (uint)random.Next(0x1000),
        };
        ulong count = (ulong)random.Next(0x10000) >> random.Next(16);
        return address | (count << 32) | (random.Next(4) == 0 ? 1UL << 63 : 0);
    }
}
