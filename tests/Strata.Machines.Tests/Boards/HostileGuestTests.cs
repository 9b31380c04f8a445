using Strata.Core.Bus;
using Strata.Core.Networking;
using Strata.Core.Sound;
using Strata.Core.State;
using Strata.Core.Storage;
using Strata.Devices.Pci;
using Strata.Devices.Serial;
using Strata.Devices.Tests.Harness;
using Strata.Machines.Boards;

namespace Strata.Machines.Tests.Boards;

/// <summary>
/// A guest that programs every device of a whole PC with random values, from two processors at once, and gives them pointers into RAM,
/// onto devices, into ROM and to where nothing is. Each access ends, nothing throws, nothing grows, and the machine can still be saved.
/// </summary>
public sealed class HostileGuestTests
{
    private const int Steps = 12_000;
    private const ulong Ram = 16 << 20;
    private const uint Window = 0xE000_0000;
    private const int PortWindow = 0xC000;
    private const long MostGrowth = 96 << 20;

    // Ports of the chipset, without those that end the machine: reset, power and debug exit.
    private static readonly (int Start, int Count)[] ChipsetPorts = [
        (0x00, 0x10), (0x20, 2), (0x40, 4), (0x60, 1), (0x61, 1), (0x70, 2), (0x80, 0x10), (0xA0, 2), (0xC0, 0x20), (0x170, 8), (0x1CE, 3),
        (0x1F0, 8), (0x376, 1), (0x3B4, 8), (0x3C0, 0x20), (0x3F0, 16), (0x4D0, 2), (0x510, 12), (0x620, 4)];

    private static readonly ulong[] Regions = [
        0xA0000, 0xC0000, 0xF0000, 0xFEC0_0000, 0xFED0_0000, 0xFEE0_0000, 0xFEF0_0000, 0xFEF0_1000, 0xFFC0_0000, 0xFFFF_F000];

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public async Task RandomRegistersRingsAndPointers_OnEveryDevice_LeaveAMachineThatCanBeSaved(int seed)
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        using PcBoard board = new(Options());
        Guest first = new(board, new Random(seed));
        Guest second = new(board, new Random(~seed));
        first.PlacePci();
        board.Start();

        Parallel.Invoke(() => first.Run(Steps), () => second.Run(Steps));

        board.Pause();
        IReadOnlyList<UnitRecord> records = board.SaveState();
        board.LoadState(records);
        IReadOnlyList<UnitRecord> again = board.SaveState();
        Assert.All(
            records.Zip(again), pair => Assert.True(pair.First.Bytes.Span.SequenceEqual(pair.Second.Bytes.Span), pair.First.UnitName));
        Assert.False(board.Exit.IsCompleted, board.Exit.IsCompleted ? (await board.Exit).Details : null);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, MostGrowth);
    }

    private static PcBoardOptions Options()
    {
        byte[] rom = new byte[64 << 10];
        ((byte[])[0xFA, 0xF4, 0xEB, 0xFD]).CopyTo(rom, rom.Length - 16); // cli, and hlt for ever
        byte[] variables = new byte[64 << 10];
        return new PcBoardOptions
        {
            MemorySize = Ram,
            Serial = new Nowhere(),
            Console = new Nowhere(),
            StartTime = DateTime.UnixEpoch,
            Kernel = null,
            EndsOnReset = _ => false,
            Disks = [.. Enumerable.Range(0, 3).Select(_ => new MemoryDisk(4096))],
            DiskControllers = [DiskController.Virtio, DiskController.Nvme, DiskController.Ahci],
            Networks = [Card(NetworkCardModel.Virtio), Card(NetworkCardModel.E1000)],
            HasSockets = true,
            HasBalloon = true,
            HasHpet = true,
            HasTestDevices = true,
            UsbDevices = [UsbDeviceKind.Tablet, UsbDeviceKind.Keyboard],
            Sound = new Nowhere(),
            Firmware = new PcFirmwareOptions
            {
                Rom = rom,
                VideoRom = new byte[4096],
                Variables = variables,
                VariableStore = new MemoryDisk(variables.Length / 512),
                Drives = [new IdeDriveOptions(new MemoryDisk(4096)), new IdeDriveOptions(new MemoryDisk(4096), IsOptical: true)],
                Floppies = [new MemoryDisk(2880)],
            },
        };
    }

    private static NetworkCardOptions Card(NetworkCardModel model) => new(new Nowhere(), new byte[] { 2, 0, 0, 0, 0, 1 }, Model: model);

    /// <summary>A processor of the guest, as the buses see it.</summary>
    private sealed class Guest(PcBoard board, Random random)
    {
        private const int CommandRegister = 4;
        private const int FirstBar = 0x10;
        private const int Bars = 6;
        private const uint RegionStep = 1 << 20;
        private const uint WindowMegabytes = 48;

        private readonly List<ulong> _regions = [.. Regions];

        /// <summary>Places every BAR as firmware would, in the order of the bus, at least a MiB or 256 ports apart.</summary>
        public void PlacePci()
        {
            uint memory = Window;
            uint ports = PortWindow;
            for (int place = 8; place < 32 * 8; place++)
            {
                for (int bar = 0; bar < Bars && Config(place, 0) != uint.MaxValue; bar++)
                {
                    int register = FirstBar + (bar * 4);
                    SetConfig(place, register, uint.MaxValue);
                    uint mask = Config(place, register);
                    uint size = ~(mask & ~0xFu) + 1;
                    memory = size == 0 ? memory : (memory + size - 1) & ~(size - 1);
                    SetConfig(place, register, (mask & 1) == 1 ? ports : memory);
                    ports += (mask & 1) == 1 ? 0x100u : 0;
                    memory += (mask & 1) == 0 && size != 0 ? Math.Max(size, RegionStep) : 0;
                }

                SetConfig(place, CommandRegister, 7);
            }
        }

        public void Run(int steps)
        {
            for (uint region = 0; region < WindowMegabytes; region++)
            {
                _regions.Add(Window + (region * RegionStep));
            }

            for (int step = 0; step < steps; step++)
            {
                Step();
            }
        }

        private void Step()
        {
            AccessWidth width = (AccessWidth)(1 << random.Next(4));
            switch (random.Next(16))
            {
                case 0:
                    FillRam();
                    break;
                case <= 4:
                    board.Memory.Write(Register(), width, Value());
                    break;
                case <= 6:
                    board.Memory.Read(Register(), width);
                    break;
                case 7:
                    board.Memory.Write((ulong)random.NextInt64((long)Ram), width, Value());
                    break;
                case <= 11:
                    board.Ports.Write(Port(), PortWidth(), (uint)Value());
                    break;
                case <= 13:
                    board.Ports.Read(Port(), PortWidth());
                    break;
                case 14:
                    int place = random.Next(8, 16 * 8);
                    SetConfig(place, random.Next(0x40 / 4) * 4, (uint)Value());
                    SetConfig(place, CommandRegister, 7);
                    break;
                default:
                    PlaceAgain();
                    break;
            }
        }

        /// <summary>Rings, lists and tables: 64-bit words that are pointers, small numbers or noise.</summary>
        private void FillRam()
        {
            ulong page = (ulong)random.Next((int)(Ram >> 12)) << 12;
            for (ulong offset = 0; offset < 512; offset += 8)
            {
                board.Memory.Write(page + offset, AccessWidth.Qword, Value());
            }
        }

        private void PlaceAgain()
        {
            if (random.Next(100) == 0)
            {
                PlacePci();
            }
        }

        private ulong Register()
        {
            ulong region = _regions[random.Next(_regions.Count)];
            return region + (ulong)random.Next(random.Next(3) == 0 ? 0x2_0000 : random.Next(2) == 0 ? 0x2000 : 0x80);
        }

        private ushort Port()
        {
            if (random.Next(2) == 0)
            {
                return (ushort)(PortWindow + random.Next(0x1000));
            }

            (int start, int count) = ChipsetPorts[random.Next(ChipsetPorts.Length)];
            return (ushort)(start + random.Next(count));
        }

        private AccessWidth PortWidth() => (AccessWidth)(1 << random.Next(3));

        private ulong Value() => random.Next(8) switch
        {
            0 => (ulong)random.NextInt64(),
            1 => _regions[random.Next(_regions.Count)] + (ulong)random.Next(0x1000),
            2 => ulong.MaxValue - (ulong)random.Next(0x1000),
            3 => Ram - (ulong)random.Next(0x1000),
            4 => (ulong)random.Next(64),
            5 => 1UL << random.Next(64),
            _ => (ulong)random.Next((int)(Ram >> 12)) << 12, // a page of RAM
        };

        private uint Config(int place, int register)
        {
            lock (board)
            {
                board.Ports.Write(0xCF8, AccessWidth.Dword, 0x8000_0000 | ((uint)place << 8) | (uint)register);
                return board.Ports.Read(0xCFC, AccessWidth.Dword);
            }
        }

        private void SetConfig(int place, int register, uint value)
        {
            lock (board)
            {
                board.Ports.Write(0xCF8, AccessWidth.Dword, 0x8000_0000 | ((uint)place << 8) | (uint)register);
                board.Ports.Write(0xCFC, AccessWidth.Dword, value);
            }
        }
    }

    private sealed class Nowhere : ISerialBackend, ISoundSink, INetworkBackend
    {
        public FrameFeatures Accepts => FrameFeatures.None;

        public void Write(ReadOnlySpan<byte> bytes)
        {
        }

        public void Write(ReadOnlySpan<short> samples)
        {
        }

        public void Connect(IFrameReceiver receiver)
        {
        }

        public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
        {
        }

        public void Resume()
        {
        }

        public void Dispose()
        {
        }
    }
}
