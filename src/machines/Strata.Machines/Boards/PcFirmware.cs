using System.Buffers.Binary;
using System.Numerics;
using Microsoft.Extensions.Logging;
using Strata.Core.Bus;
using Strata.Core.Logging;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Devices.Chipset;
using Strata.Devices.Display;
using Strata.Devices.Firmware;
using Strata.Devices.Network;
using Strata.Devices.Pci;
using Strata.Devices.Power;
using Strata.Devices.Storage.Floppy;
using Strata.Devices.Timers;
using Strata.Machines.Acpi;
using Strata.Machines.Boot;
using Strata.Machines.Firmware;
using Strata.Virtio.Transport;

namespace Strata.Machines.Boards;

/// <summary>
/// What a machine with firmware has beyond one whose guest is loaded for it: the ROM and the chips that show it, and what the firmware
/// finds about the machine in CMOS RAM and in its configuration device.
/// </summary>
internal sealed partial class PcFirmware : IDisposable
{
    private const ulong RomUnit = 64 << 10;
    private const int VideoMemory = 16 << 20;
    private const int EquipmentFloppy = 1 << 0;
    private const int EquipmentFloppiesShift = 6; // their number, less one
    private const int EquipmentCoprocessor = 1 << 1;
    private const int EquipmentDisplay = 1 << 2;

    private readonly BoardWiring _wiring;
    private readonly PcFirmwareOptions _options;
    private readonly GuestMemory _rom; // behind the flash chip, if there is one
    private readonly GuestMemory? _videoRom;
    private readonly CfiFlash? _flash;
    private readonly List<GuestMemory> _networkRoms = [];

    /// <exception cref="BootImageException">A ROM is none.</exception>
    public PcFirmware(BoardWiring wiring, PcFirmwareOptions options, GuestMemory ram)
    {
        _wiring = wiring;
        _options = options;
        int flash = options.Variables.Length;
        CheckFlash(options);
        _rom = CreateRom(options.Rom, PcFirmwareOptions.SmallestRom, RoundUp((ulong)(options.Rom.Length + flash)), isAtTheEnd: true);
        if (options.VideoRom.Length > 0)
        {
            ulong videoSize = BitOperations.RoundUpToPowerOf2(Math.Max((ulong)options.VideoRom.Length, GuestMemory.PageSize));
            _videoRom = CreateRom(options.VideoRom, 1, videoSize, isAtTheEnd: false);
        }

        ulong start = PcMemoryMap.HighMemoryStart - _rom.Size;
        wiring.Memory.Map(MemoryRegion.Rom(start + (ulong)flash, _rom, (ulong)flash, _rom.Size - (ulong)flash));
        if (flash > 0)
        {
            options.Variables.CopyTo(_rom.Slice(0, flash));
            _flash = new CfiFlash(wiring.Memory, start, _rom, flash, options.VariableStore) { StoreFailed = ReportStoreFailure };
        }

        HostBridge = new I440Fx(wiring.Memory, ram, _rom);
        A20 = new A20Gate(wiring.Memory, wiring.Control);
        Display = new Vga(wiring.Clock, VideoMemory)
        {
            Program = options.VideoRom,
            FindFonts = () => GuestFonts.Find(ram),
            Aperture = new RegionAperture(wiring.Memory, PcMemoryMap.VgaStart, MemoryRegion.OverlayPriority),
        };
        wiring.Memory.Map(MemoryRegion.OfDevice(PcMemoryMap.VgaStart, Vga.WindowSize, Display.Window, MemoryRegion.OverlayPriority - 1));
        wiring.Ports.Map(PcMemoryMap.ControlPortA, 1, A20);
        wiring.Ports.Map(PcMemoryMap.FirmwareLogPort, 1, new DebugPort(Log));
    }

    public PciFunction HostBridge { get; }

    public A20Gate A20 { get; }

    /// <summary>What the machine shows.</summary>
    public Vga Display { get; }

    /// <summary>The display as PCI finds it.</summary>
    public VgaPci CreateDisplayFunction()
    {
        VgaPci function = new(Display, _videoRom);
        function.MapPorts(_wiring.Ports);
        return function;
    }

    /// <summary>The ROM of a network card, which starts from the network; null for none.</summary>
    /// <exception cref="BootImageException">It is none.</exception>
    public GuestMemory? CreateNetworkRom(NetworkCardModel model)
    {
        if (!_options.NetworkRoms.TryGetValue(model, out byte[]? bytes))
        {
            return null;
        }

        GuestMemory rom = model == NetworkCardModel.E1000
            ? OptionRom.Create(bytes, E1000.Vendor, E1000.Device)
            : OptionRom.Create(bytes, VirtioPci.Vendor, VirtioPci.NetworkDevice);
        _networkRoms.Add(rom);
        return rom;
    }

    /// <summary>What the firmware asks for: RAM, processors, tables, what to start from.</summary>
    public void Describe(FwCfg configuration, RtcMc146818 cmos)
    {
        ulong memory = _wiring.Options.MemorySize;
        (byte[] tables, byte[] rsdp, byte[] script) =
            TableLoader.Build(
                _wiring.Options.Processors, AcpiDescription.WithFirmware(memory, _options.PowerPort, _wiring.Options.HasHpet));
        configuration.AddFile("etc/system-states", SystemStates());
        configuration.AddFile("etc/s3-resume-vga-init", Word64(1)); // who wakes to a text mode finds it
        configuration.AddFile("etc/e820", DescribeMemory(memory));
        configuration.AddFile(TableLoader.TablesFile, tables);
        configuration.AddFile(TableLoader.RsdpFile, rsdp);
        configuration.AddFile(TableLoader.ScriptFile, script);
        if (_wiring.Options.Smbios is { } smbios)
        {
            (byte[] entry, byte[] structures) = SmbiosTables.Build(smbios, address: 0, _wiring.Options.Processors, memory);
            configuration.AddFile("etc/smbios/smbios-anchor", entry);
            configuration.AddFile("etc/smbios/smbios-tables", structures);
        }

        if (_options.UsesSerial)
        {
            configuration.AddFile("etc/sercon-port", Word64(PcMemoryMap.SerialPort));
        }

        configuration.AddFile("etc/show-boot-menu", Word64(_options.ShowsMenu ? 1u : 0));
        FillCmos(cmos, memory);
    }

    /// <summary>Puts what has state on the roster.</summary>
    public void Enlist(UnitRoster roster)
    {
        roster.Add(A20);
        if (_flash is not null)
        {
            roster.Add(_flash);
        }
    }

    /// <summary>Frees everything.</summary>
    /// <exception cref="IOException">The firmware's variables could not be kept; everything was freed nevertheless.</exception>
    public void Dispose()
    {
        try
        {
            _flash?.Dispose();
        }
        finally
        {
            Display.Dispose();
            _networkRoms.ForEach(rom => rom.Dispose());
            _videoRom?.Dispose();
            _rom.Dispose();
        }
    }

    private static void CheckFlash(PcFirmwareOptions options)
    {
        long size = options.Variables.Length;
        if (size % CfiFlash.BlockSize != 0 || (size > 0 && (size + options.Rom.Length) % (long)RomUnit != 0)
            || size + options.Rom.Length > PcFirmwareOptions.LargestRom)
        {
            throw new BootImageException(
                $"A ROM of {options.Rom.Length:N0} bytes and variables of {size:N0} do not belong together; check that both files are of " +
                $"one firmware.");
        }
    }

    private static ulong RoundUp(ulong size) => (size + RomUnit - 1) / RomUnit * RomUnit;

    private static GuestMemory CreateRom(byte[] bytes, int smallest, ulong size, bool isAtTheEnd)
    {
        if (bytes.Length < smallest || bytes.Length > PcFirmwareOptions.LargestRom)
        {
            throw new BootImageException(
                $"A file of {bytes.Length:N0} bytes is no firmware, which has {smallest:N0} to {PcFirmwareOptions.LargestRom:N0}; check " +
                $"which one it is.");
        }

        GuestMemory rom = new(size);
        bytes.CopyTo(rom.Slice(isAtTheEnd ? size - (ulong)bytes.Length : 0, bytes.Length));
        return rom;
    }

    /// <summary>For each of the states S0 to S5 whether it is there (bit 7), and its SLP_TYP.</summary>
    private static byte[] SystemStates()
    {
        const byte exists = 0x80;
        return [exists, 0, 0, exists | AcpiPower.SleepTypeS3, exists | AcpiPower.SleepTypeS4, exists | AcpiPower.SleepTypeS5];
    }

    private static byte[] DescribeMemory(ulong size)
    {
        const int entrySize = 20;
        ulong low = Math.Min(size, PcMemoryMap.LowMemoryLimit);
        (ulong Start, ulong Length)[] ranges = size > low
            ? [(0, low), (PcMemoryMap.HighMemoryStart, size - low)]
            : [(0, low)];
        byte[] map = new byte[ranges.Length * entrySize];
        foreach ((int index, (ulong start, ulong length)) in ranges.Index())
        {
            Span<byte> entry = map.AsSpan(index * entrySize);
            BinaryPrimitives.WriteUInt64LittleEndian(entry, start);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], 1);
        }

        return map;
    }

    private static byte[] Word64(uint value) => BitConverter.GetBytes((ulong)value);

    /// <summary>The bytes of a PC/AT's CMOS RAM that tell what the machine has, and those that emulators have added.</summary>
    private void FillCmos(RtcMc146818 cmos, ulong memory)
    {
        const ulong kilobyte = 1 << 10;
        const ulong unit = 64 << 10;
        ulong low = Math.Min(memory, PcMemoryMap.LowMemoryLimit);
        ulong extended = Math.Min((low - PcMemoryMap.OneMegabyte) / kilobyte, ushort.MaxValue);
        ulong above16 = low > (16 << 20) ? Math.Min((low - (16 << 20)) / unit, ushort.MaxValue) : 0;
        cmos.SetByte(0x10, DescribeFloppies());
        int floppies = _options.Floppies.Count;
        int drives = floppies == 0 ? 0 : EquipmentFloppy | ((floppies - 1) << EquipmentFloppiesShift);
        cmos.SetByte(0x14, (byte)(EquipmentCoprocessor | EquipmentDisplay | drives));
        SetWord(cmos, 0x15, 640);
        SetWord(cmos, 0x17, extended);
        SetWord(cmos, 0x30, extended);
        SetWord(cmos, 0x34, above16);
        ulong high = (memory - low) / unit;
        SetWord(cmos, 0x5B, high & 0xFFFF);
        cmos.SetByte(0x5D, (byte)(high >> 16));
        cmos.SetByte(0x5F, (byte)(_wiring.Options.Processors - 1));
        byte[] order = [.. _options.BootOrder.Take(3).Select(NumberOf), 0, 0, 0];
        cmos.SetByte(0x3D, (byte)(order[0] | (order[1] << 4)));
        cmos.SetByte(0x38, (byte)(1 | (order[2] << 4))); // no check for a signature of floppies
    }

    /// <summary>The type of the first drive in the upper half.</summary>
    private byte DescribeFloppies()
    {
        byte[] types = [.. _options.Floppies.Select(disk => disk is null
            ? FloppyGeometry.UsualDriveType
            : FloppyGeometry.Find(disk.Sectors)?.DriveType ?? 0), 0, 0];
        return (byte)((types[0] << 4) | types[1]);
    }

    private static byte NumberOf(BootSource source) => source switch
    {
        BootSource.Floppy => 1,
        BootSource.Disk => 2,
        BootSource.Optical => 3,
        _ => 4,
    };

    private static void SetWord(RtcMc146818 cmos, int index, ulong value)
    {
        cmos.SetByte(index, (byte)value);
        cmos.SetByte(index + 1, (byte)(value >> 8));
    }

    private void ReportStoreFailure(IOException error)
    {
        if (_wiring.Options.Loggers is { } loggers)
        {
            LogStoreFailure(loggers.For(LogAreas.Firmware), error.Message);
        }
    }

    [LoggerMessage(
        340, LogLevel.Error,
        "The firmware's variables are not kept for now; that is tried again when the firmware changes some, and at the machine's end: "
        + "{Reason}")]
    private static partial void LogStoreFailure(ILogger logger, string reason);

    private void Log(string line) => _wiring.Options.OnFirmwareLog?.Invoke(line);
}
