using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>Debian's kernel with devices beside virtio: its own drivers say whether they are what they claim to be.</summary>
public sealed class DebianDevicesTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const int DiskSize = 32 << 20;

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(10));

    [Fact]
    public async Task Nvme_DiskOfTheHost_IsReadAndWritten()
    {
        string path = _folder.PathOf("disk.raw");
        byte[] content = new byte[DiskSize];
        new Random(5).NextBytes(content);
        await File.WriteAllBytesAsync(path, content, _timeout.Token);
        VirtualMachine machine = await VirtualMachine.StartAsync(
            guest.SpecWithAgent with { Processors = 2, Disks = [new DiskSpec { Path = path, Bus = DiskBus.Nvme }] }, _timeout.Token);
        await using (machine)
        {
            await RunAsync(machine, "dd if=/dev/nvme0n1 of=/dev/nvme0n1 bs=1M count=4 skip=8 seek=20 conv=notrunc,fsync");
            await RunAsync(
                machine,
                "dd if=/dev/nvme0n1 bs=512 count=1 skip=5 of=/tmp/one && dd if=/tmp/one of=/dev/nvme0n1 seek=7 conv=notrunc,fsync");
            await RunAsync(machine, "test $(cat /sys/block/nvme0n1/size) = 65536 && grep -q nvme0q1 /proc/interrupts");
        }

        byte[] after = await File.ReadAllBytesAsync(path, _timeout.Token); // the machine has closed it
        content.AsSpan(8 << 20, 4 << 20).CopyTo(content.AsSpan(20 << 20));
        content.AsSpan(5 * 512, 512).CopyTo(content.AsSpan(7 * 512));
        Assert.True(content.AsSpan().SequenceEqual(after));
    }

    [Fact]
    public async Task Hpet_Asked_IsAClockSourceAndATimer()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.SpecWithAgent with { Hpet = true }, _timeout.Token);

        await RunAsync(
            machine,
            "grep -q hpet /sys/devices/system/clocksource/clocksource0/available_clocksource && grep -q 'Clock Event Device: hpet' " +
            "/proc/timer_list");
        await RunAsync(machine, "echo hpet > /sys/devices/system/clocksource/clocksource0/current_clocksource && sleep 1 && date");
    }

    [Fact]
    public async Task Smbios_Strings_AreWhatTheGuestReads()
    {
        SmbiosSpec smbios = new SmbiosSpec().With("serial=ds=nocloud")
            .With("board-asset=A7")
            .With("uuid=3f1c2d7e-9a4b-4c21-8a57-0d5e6b7c8d90");
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.SpecWithAgent with { Smbios = smbios }, _timeout.Token);

        await RunAsync(
            machine,
            "cd /sys/class/dmi/id && test $(cat product_serial) = ds=nocloud && test $(cat board_asset_tag) = A7 && test $(cat " +
            "sys_vendor) = Strata");
        await RunAsync(machine, "test $(cat /sys/class/dmi/id/product_uuid) = 3f1c2d7e-9a4b-4c21-8a57-0d5e6b7c8d90");
    }

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    private async Task RunAsync(VirtualMachine machine, string line) =>
        Assert.Equal(0, (await machine.Agent.RunAsync(GuestCommand.Shell(line), default, _timeout.Token)).ExitCode);
}
