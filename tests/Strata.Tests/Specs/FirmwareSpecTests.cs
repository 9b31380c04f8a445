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

    [Fact]
    public void StartingFrom_NoFile_SaysWhich()
    {
        StrataException error = Assert.Throws<StrataException>(() => MachineSpec.StartingFrom("/no/such/disk"));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("/no/such/disk", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kernel and firmware")]
    [InlineData("image and firmware")]
    [InlineData("IDE without firmware")]
    [InlineData("five drives")]
    [InlineData("a device twice")]
    public async Task ResolveAsync_MachineThatCannotBe_IsRefused(string what)
    {
        DiskSpec ide = new() { Path = "d", Bus = DiskBus.Ide };
        MachineSpec spec = what switch
        {
            "kernel and firmware" => new MachineSpec { Kernel = "k", Firmware = FirmwareKind.SeaBios },
            "image and firmware" => new MachineSpec { Image = "debian", Firmware = FirmwareKind.SeaBios },
            "IDE without firmware" => new MachineSpec { Kernel = "k", Disks = [ide] },
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
        Assert.Throws<StrataException>(() => DiskSpec.Parse("a,bus=scsi"));
    }

    public void Dispose() => _folder.Dispose();
}
