using System.Diagnostics;
using Strata.EndToEnd.Tests.Harness;
using Strata.Images;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>Linux on a machine with firmware suspends itself to memory (ACPI S3), and goes on where it was.</summary>
public sealed class SuspendToMemoryTests : IDisposable
{
    private const string Menu =
        """
        set timeout=0
        menuentry "debian-tiny" {
            linux /boot/vmlinuz console=ttyS0 quiet
            initrd /boot/initrd
        }

        """;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(20));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact("grub-mkrescue", "xorriso", "mformat")]
    public async Task Wake_OnBothEnginesAndTwoProcessors_GoesOnWhereItWas()
    {
        foreach ((Engine engine, int processors) in
            ((Engine, int)[])[(Engine.Translator, 1), (Engine.Translator, 2), (Engine.Interpreter, 1)])
        {
            await using VirtualMachine machine = await StartAsync(spec => spec with { Engine = engine, Processors = processors });
            await SleepAsync(machine);

            await machine.WakeAsync(_timeout.Token);

            await IsWokenAsync(machine);
            Assert.Equal(0, machine.Resets);
            await machine.Console.WriteLineAsync("grep -c ^processor /proc/cpuinfo | sed 's/^/processors: /'", _timeout.Token);
            await machine.Console.WaitForAsync($"processors: {processors}", _timeout.Token);
        }
    }

    [ImageFact("grub-mkrescue", "xorriso", "mformat")]
    public async Task Wake_ByItsAlarmAndByAKey_GoesOnWhereItWas()
    {
        await using VirtualMachine machine = await StartAsync();

        await SleepAsync(machine, "echo +15 > /sys/class/rtc/rtc0/wakealarm; ");
        await IsWokenAsync(machine);

        await SleepAsync(machine);
        await machine.Screen.PressAsync("a", _timeout.Token);
        await IsWokenAsync(machine);
    }

    [ImageFact("grub-mkrescue", "xorriso", "mformat")]
    public async Task Wake_ByOvmf_GoesOnWhereItWas()
    {
        await using VirtualMachine machine = await StartAsync(spec => spec with { Firmware = FirmwareKind.Ovmf, Memory = 512UL << 20 });
        await SleepAsync(machine);

        await machine.WakeAsync(_timeout.Token);

        await IsWokenAsync(machine);
    }

    [ImageFact("grub-mkrescue", "xorriso", "mformat")]
    public async Task Restore_SnapshotOfASleepingGuest_IsAsleepAndWakes()
    {
        SnapshotStore store = new(_folder.PathOf("snapshots"));
        await using (VirtualMachine machine = await StartAsync())
        {
            await SleepAsync(machine);
            await machine.SuspendAsync(new SnapshotRequest { Name = "asleep" }, store, _timeout.Token);
        }

        await using VirtualMachine restored = await VirtualMachine.RestoreAsync(store, "asleep", cancellationToken: _timeout.Token);
        Assert.True(restored.IsAsleep);
        await restored.WakeAsync(_timeout.Token);

        await IsWokenAsync(restored);
    }

    private async Task<VirtualMachine> StartAsync(Func<MachineSpec, MachineSpec>? change = null)
    {
        string disc = await MakeDiscAsync();
        MachineSpec spec = MachineSpec.StartingFrom(disc) with { Memory = 256UL << 20, Networks = [] };
        VirtualMachine machine = await VirtualMachine.StartAsync(change?.Invoke(spec) ?? spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync("echo he''re > /tmp/before", _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        return machine;
    }

    private async Task<string> MakeDiscAsync()
    {
        string disc = _folder.PathOf("tiny.iso");
        if (File.Exists(disc))
        {
            return disc;
        }

        DebianTiny image = new();
        await image.EnsureAsync(cancellationToken: _timeout.Token);
        Directory.CreateDirectory(_folder.PathOf("disc/boot/grub"));
        File.Copy(image.KernelPath, _folder.PathOf("disc/boot/vmlinuz"));
        File.Copy(image.InitrdPath, _folder.PathOf("disc/boot/initrd"));
        await File.WriteAllTextAsync(_folder.PathOf("disc/boot/grub/grub.cfg"), Menu, _timeout.Token);
        await HostCommand.RunAsync("grub-mkrescue", ["-o", disc, _folder.PathOf("disc")], _timeout.Token);
        return disc;
    }

    private async Task SleepAsync(VirtualMachine machine, string before = "")
    {
        await machine.Console.WriteLineAsync(
            $"{before}echo mem > /sys/power/state; cat /tmp/before /sys/power/suspend_stats/fail | tr '\\n' ' '; echo wo''ken",
            _timeout.Token);
        long start = Stopwatch.GetTimestamp();
        while (!machine.IsAsleep)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(3), "Waited in vain for the guest's sleep.");
            await Task.Delay(50, _timeout.Token);
        }
    }

    /// <summary>With what it had in memory, and no failure of its own to sleep.</summary>
    private async Task IsWokenAsync(VirtualMachine machine)
    {
        await machine.Console.WaitForAsync("here 0 woken", _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        Assert.False(machine.IsAsleep);
    }
}
