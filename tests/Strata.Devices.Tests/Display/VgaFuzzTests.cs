using Strata.Core.Bus;
using Strata.Core.Display;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.Devices.Display;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Display;

/// <summary>
/// Random accesses to registers and window: nothing throws, and a display whose window turns into memory where it can has the same memory
/// and picture as one that serves each access.
/// </summary>
public sealed class VgaFuzzTests
{
    private const int Runs = 60;
    private const int Steps = 400;
    private const int Burst = 150;

    private static readonly ushort[] Ports =
        [0x3C0, 0x3C2, 0x3C4, 0x3C5, 0x3C6, 0x3C7, 0x3C8, 0x3C9, 0x3CE, 0x3CF, 0x3D4, 0x3D5, 0x3DA, 0x3B4, 0x3B5, 0x1CE, 0x1CF];

    [Fact]
    public void Accesses_AtRandom_SameWithMemoryInTheWindowAsWithTheDevice()
    {
        foreach (int seed in FuzzSeeds.Take(Runs))
        {
            using Display device = new(hasAperture: false);
            using Display memory = new(hasAperture: true);
            Random random = new(seed);
            for (int step = 0; step < Steps; step++)
            {
                Action<Display> access = Next(random);
                access(device);
                access(memory);
            }

            VgaState expected = device.Vga.SaveState();
            VgaState actual = memory.Vga.SaveState();
            Assert.True(expected.Memory.AsSpan().SequenceEqual(actual.Memory), $"memory differs, seed {seed}");
            Assert.True(Paint(device).SequenceEqual(Paint(memory)), $"the picture differs, seed {seed}");
        }
    }

    private static Span<uint> Paint(Display display)
    {
        ScreenPicture picture = new();
        display.Vga.Update(picture, []);
        return picture.Pixels;
    }

    private static Action<Display> Next(Random random)
    {
        ulong offset = random.Next(3) == 0 ? (ulong)random.Next((int)Vga.WindowSize - 4) : 0x1_8000 + (ulong)random.Next(4000);
        AccessWidth width = (AccessWidth)(1 << random.Next(3));
        uint value = (uint)random.Next();
        switch (random.Next(10))
        {
            case 0:
                return display => display.SetTextMode();
            case 1:
                ushort port = Ports[random.Next(Ports.Length)];
                return display => display.Ports.Write(port, (AccessWidth)Math.Min((int)width, 2), value & 0xFFFF);
            case 2:
                (ushort index, byte register) = ((ushort)(random.Next(2) == 0 ? 0x3C4 : 0x3CE), (byte)random.Next(9));
                return display => display.Ports.Write(index, AccessWidth.Word, ((value & 0xFF) << 8) | register);
            case 3:
                return display => display.SetChainedMode();
            case 4:
                return display => display.SetBankedMode((ushort)(value % 8));
            case 5:
                return display => display.Read(offset, width);
            default:
                return display =>
                {
                    for (uint i = 0; i < Burst; i++)
                    {
                        display.Write((offset + (i * 2)) % (Vga.WindowSize - 4), width, value + i);
                    }
                };
        }
    }

    private sealed class Display : IMemoryAperture, IDisposable
    {
        private GuestMemory? _memory;
        private (ulong Offset, ulong Start, ulong Length) _place;

        public Display(bool hasAperture)
        {
            Vga = new Vga(new ManualClock(), 1 << 20) { Aperture = hasAperture ? this : null };
            Ports.Map(0x3B4, 7, Vga.MonochromePorts);
            Ports.Map(0x3C0, 16, Vga.CommonPorts);
            Ports.Map(0x3D4, 7, Vga.ColorPorts);
            Ports.Map(0x1CE, 3, Vga.VbePorts);
        }

        public Vga Vga { get; }

        public PortSpace Ports { get; } = new();

        public void Show(ulong offset, GuestMemory memory, ulong start, ulong length) =>
            (_memory, _place) = (memory, (offset, start, length));

        public void Hide() => _memory = null;

        public void Dispose() => Vga.Dispose();

        /// <summary>What a processor does: memory where it shows, the device elsewhere.</summary>
        public void Write(ulong offset, AccessWidth width, uint value)
        {
            ulong at = offset - _place.Offset;
            if (_memory is not null && offset >= _place.Offset && at + (ulong)width <= _place.Length)
            {
                using DmaWrite write = _memory.BeginWrite(_place.Start + at, (int)width);
                for (int i = 0; i < (int)width; i++)
                {
                    write.Span[i] = (byte)(value >> (8 * i));
                }
            }
            else
            {
                Vga.Window.WriteMmio(offset, width, value);
            }
        }

        /// <summary>Reads that memory serves leave the latches alone: here it is a read of the device, behind a change of modes.</summary>
        public void Read(ulong offset, AccessWidth width)
        {
            Ports.Write(0x3CE, AccessWidth.Word, 0x0105); // write mode 1
            Vga.Window.ReadMmio(offset, width);
        }

        public void SetTextMode()
        {
            SetVbe(4, 0);
            Ports.Write(0x3C2, AccessWidth.Byte, 3);
            Set(0x3C4, [(1, 0), (2, 3), (3, 0), (4, 2)]);
            Set(0x3CE, [(0, 0), (1, 0), (3, 0), (4, 0), (5, 0x10), (6, 0xE), (7, 0xF), (8, 0xFF)]);
            Set(0x3D4, [(0x11, 0), (1, 79), (7, 0x1F), (9, 0x4F), (0x12, 0x8F), (0x13, 40), (0x17, 0xA3), (0x18, 0xFF)]);
        }

        public void SetChainedMode()
        {
            SetVbe(4, 0);
            Ports.Write(0x3C2, AccessWidth.Byte, 3);
            Set(0x3C4, [(2, 0xF), (4, 0xE)]);
            Set(0x3CE, [(5, 0x40), (6, 5)]);
        }

        public void SetBankedMode(ushort bank)
        {
            Ports.Write(0x3C2, AccessWidth.Byte, 3);
            Set(0x3CE, [(6, 5)]);
            SetVbe(4, 0);
            SetVbe(1, 640);
            SetVbe(2, 400);
            SetVbe(3, 8);
            SetVbe(4, 0x81);
            SetVbe(5, bank);
        }

        private void Set(ushort port, ReadOnlySpan<(byte Index, byte Value)> registers)
        {
            foreach ((byte index, byte value) in registers)
            {
                Ports.Write(port, AccessWidth.Word, (uint)((value << 8) | index));
            }
        }

        private void SetVbe(int index, ushort value)
        {
            Ports.Write(0x1CE, AccessWidth.Word, (uint)index);
            Ports.Write(0x1CF, AccessWidth.Word, value);
        }
    }
}
