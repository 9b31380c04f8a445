namespace Strata.Tests.Specs;

/// <summary>Which machines firmware starts, and what they may have.</summary>
public sealed class FirmwareSpecTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void StartingFrom_IsoImage_IsADisc()
    {
        byte[] image = new byte[40 * 1024];
        "CD001"u8.CopyTo(image.AsSpan(0x8001));

        DiskSpec disk = Assert.Single(MachineSpec.StartingFrom(_folder.Write("any.img", image)).Disks);

        Assert.Equal((DiskBus.Cdrom, true), (disk.Bus, disk.ReadOnly));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(40 * 1024)]
    public void StartingFrom_AnythingElse_IsADiskOnIde(int size)
    {
        MachineSpec spec = MachineSpec.StartingFrom(_folder.Write("disk.iso", new byte[size]));

        Assert.Equal((DiskBus.Ide, FirmwareKind.SeaBios, "disk"), (Assert.Single(spec.Disks).Bus, spec.Firmware, spec.Origin));
    }

    [Theory]
    [InlineData(720)]
    [InlineData(1440)]
    [InlineData(2880)]
    public void StartingFrom_FileOfADiskettesSize_IsADiskette(int kilobytes)
    {
        DiskSpec disk = Assert.Single(MachineSpec.StartingFrom(_folder.Write("boot.img", new byte[kilobytes << 10])).Disks);

        Assert.Equal((DiskBus.Floppy, false), (disk.Bus, disk.ReadOnly));
    }

    [Fact]
    public void StartingFrom_NoFile_SaysWhich()
    {
        StrataException error = Assert.Throws<StrataException>(() => MachineSpec.StartingFrom("/no/such/disk"));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("/no/such/disk", error.Message, StringComparison.Ordinal);
    }

    /// <summary>What somebody has asked for is not dropped in silence.</summary>
    [Fact]
    public async Task ResolveAsync_VariablesWhereSeaBiosIsChosen_IsRefused()
    {
        DiskSpec disk = new() { Path = _folder.Write("disk.raw", new byte[4096]), Bus = DiskBus.Ide };
        MachineSpec spec = new() { Disks = [disk], FirmwareVariables = _folder.PathOf("vars.fd") };

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => spec.ResolveAsync());

        Assert.Contains("--firmware-vars", error.Message, StringComparison.Ordinal);
        Assert.Contains("SeaBIOS", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FirmwareKind.Ovmf, true)]
    [InlineData(FirmwareKind.SeaBios, false)]
    [InlineData(null, false)] // a disk without a boot sector is SeaBIOS's
    public void KeepingFirmwareVariables_OfAMachine_HasAFileWithUefiAlone(FirmwareKind? firmware, bool keeps)
    {
        DiskSpec disk = new() { Path = _folder.Write("disk.raw", new byte[4096]), Bus = DiskBus.Ide };

        MachineSpec spec = new MachineSpec { Disks = [disk], Firmware = firmware }.KeepingFirmwareVariables("web");

        Assert.Equal(keeps ? MachineSpec.FirmwareVariablesOf("web") : null, spec.FirmwareVariables);
    }

    [Theory]
    [InlineData("kernel and firmware")]
    [InlineData("image and firmware")]
    [InlineData("IDE without firmware")]
    [InlineData("a diskette without firmware")]
    [InlineData("five drives")]
    [InlineData("three diskettes")]
    [InlineData("a device twice")]
    public async Task ResolveAsync_MachineThatCannotBe_IsRefused(string what)
    {
        DiskSpec ide = new() { Path = "d", Bus = DiskBus.Ide };
        MachineSpec spec = what switch
        {
            "kernel and firmware" => new MachineSpec { Kernel = "k", Firmware = FirmwareKind.SeaBios },
            "image and firmware" => new MachineSpec { Image = "debian", Firmware = FirmwareKind.SeaBios },
            "IDE without firmware" => new MachineSpec { Kernel = "k", Disks = [ide] },
            "a diskette without firmware" => new MachineSpec { Kernel = "k", Disks = [DiskSpec.Diskette("f")] },
            "three diskettes" => new MachineSpec { Disks = [.. "abc".Select(name => DiskSpec.Diskette($"{name}"))] },
            "five drives" => new MachineSpec { Disks = [ide, ide, ide, ide, DiskSpec.Disc("c")] },
            _ => new MachineSpec { Disks = [ide], Boot = [BootDevice.Disk, BootDevice.Disk] },
        };

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => spec.ResolveAsync());

        Assert.Equal(StrataError.BadInput, error.Error);
    }

    [Fact]
    public void Parse_Bus_IsThatOfTheDisk()
    {
        Assert.Equal(DiskBus.Ide, DiskSpec.Parse("a,bus=ide").Bus);
        Assert.Equal((DiskBus.Cdrom, true), (DiskSpec.Parse("a,bus=cdrom").Bus, DiskSpec.Parse("a,bus=cdrom").ReadOnly));
        Assert.Equal((DiskBus.Floppy, false), (DiskSpec.Parse("a,bus=floppy").Bus, DiskSpec.Parse("a,bus=floppy").ReadOnly));
        Assert.Throws<StrataException>(() => DiskSpec.Parse("a,bus=scsi"));
    }

    public void Dispose() => _folder.Dispose();
}
