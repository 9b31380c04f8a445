using System.CommandLine;
using System.Globalization;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata inspect`: the inside of a running machine.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        Argument<string> machine = MachineArguments.Machine();
        Option<string> output = MachineArguments.Output();
        Option<bool> spec = new("--spec") { Description = "Print what was started instead, as JSON that `strata run --spec` takes." };
        DocumentedCommand command = new(
            "inspect", "Look into a running machine: processors, interrupts, PCI functions and virtio queues.", """
            Shown are what each processor's engine has done, interrupts by pin and by MSI-X vector, PCI functions, and of virtio devices
            the features that were negotiated and how far each queue is: chains that the driver has offered, the device has taken, and has
            returned (each modulo 65,536). Offered more than taken for long means that a device hangs; returned but nothing happens in the
            guest, that an interrupt was lost.

            Examples:
              strata inspect debian-tiny --output json
              strata inspect web --spec > web.json             and later: strata run --spec web.json
            """)
        {
            machine, output, spec,
        };
        command.SetAction(async (result, token) =>
        {
            if (result.GetValue(spec))
            {
                Console.Write((await new MachineRegistry().Find(result.GetValue(machine)!).GetSpecAsync(token)).ToJson());
                return ExitCodes.Success;
            }

            MachineInspection inspection = await new MachineRegistry().Find(result.GetValue(machine)!).InspectAsync(token);
            if (OutputOption.IsJson(result, output))
            {
                MachineArguments.WriteJson(inspection);
            }
            else
            {
                Print(inspection);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static void Print(MachineInspection inspection)
    {
        MachineDescription machine = inspection.Machine;
        Console.WriteLine(
            $"{machine.Name}: {Printable.Text(machine.Image)} on {(machine.Engine ?? Engine.Auto).Name}, {machine.Processors} CPUs, " +
            $"{ByteSize.Format((long)machine.Memory)}{(machine.IsAsleep ? ", asleep" : "")}");
        if (machine.Forwards.Count > 0)
        {
            Console.WriteLine($"forwards {string.Join(' ', machine.Forwards.Select(forward => Printable.Text(forward.ToString())))}");
        }

        Console.WriteLine("\nprocessors");
        foreach (ProcessorInspection processor in inspection.Board.Processors)
        {
            Console.WriteLine($"  {processor.Index}: {Printable.Text(processor.Counters.ReplaceLineEndings("; "))}");
        }

        Console.WriteLine("\ninterrupt pins\n  PIN  VECTOR  TRIGGER  MASKED  HIGH         SENT");
        foreach (InterruptPinInspection pin in inspection.Board.InterruptPins.Where(pin => pin.Sent > 0 || !pin.IsMasked))
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {pin.Pin,3}  0x{pin.Vector:X2}    {(pin.IsLevel ? "level" : "edge"),-7}  {YesNo(pin.IsMasked),-6}  " +
                $"{YesNo(pin.IsHigh),-4}  {pin.Sent,11}"));
        }

        foreach (DeviceInspection device in inspection.Board.Devices)
        {
            Print(device);
        }
    }

    private static void Print(DeviceInspection device)
    {
        PciInspection pci = device.Pci;
        string kind = device.Virtio is { } virtio ? $"virtio {virtio.TypeName}" : "PCI function";
        Console.WriteLine(
            $"\nslot {device.Slot}{(device.Function > 0 ? $".{device.Function}" : "")}: {kind}, {pci.VendorId:x4}:{pci.DeviceId:x4}, " +
            $"class {pci.ClassCode:x6}");
        if (pci.Bars.Count > 0)
        {
            Console.WriteLine("  memory:     " + string.Join(", ", pci.Bars.Select(
                bar => $"BAR {bar.Index} {(bar.Address is { } address ? $"at 0x{address:x}" : "unmapped")} ({bar.Size >> 10} KiB)")));
        }

        if (pci.Msix is { IsEnabled: true } msix)
        {
            Console.WriteLine("  interrupts: " + string.Join(
                ", ", msix.Vectors.Select(vector => $"vector {vector.Vector}: {vector.Sent}{(vector.IsMasked ? " (masked)" : "")}")));
        }
        else if (pci.Msix is not null)
        {
            Console.WriteLine($"  interrupts: INTx line: {pci.LineInterrupts}");
        }

        if (device.Virtio is { } details)
        {
            Print(details);
        }
    }

    private static void Print(VirtioInspection virtio)
    {
        Console.WriteLine($"  driver:     {Status(virtio.Status)}");
        Console.WriteLine($"  features:   {string.Join(' ', virtio.Negotiated)}");
        string[] left = [.. virtio.Offered.Except(virtio.Negotiated)];
        if (left.Length > 0)
        {
            Console.WriteLine($"  not taken:  {string.Join(' ', left)}");
        }

        Console.WriteLine("  QUEUE  SIZE  VECTOR  OFFERED  TAKEN  RETURNED");
        foreach (QueueInspection queue in virtio.Queues)
        {
            Console.WriteLine(queue.IsEnabled
                ? $"  {queue.Index,5}  {queue.Size,4}  {queue.Vector?.ToString(CultureInfo.InvariantCulture) ?? "-",6}  " +
                    $"{queue.AvailableIndex?.ToString(CultureInfo.InvariantCulture) ?? "?",7}  {queue.TakenIndex,5}  " +
                    $"{queue.UsedIndex,8}{(queue.BrokenReason is { } reason ? $"  broken: {reason}" : "")}"
                : $"  {queue.Index,5}  not used by the driver");
        }
    }

    private static string Status(byte status)
    {
        const byte needsReset = 0x40;
        const byte driverOk = 4;
        return (status & needsReset) != 0
            ? "must reset the device, which gave up"
            : (status & driverOk) != 0
            ? "ready"
            : status == 0
            ? "none"
            : "starting";
    }

    private static string YesNo(bool value) => value ? "yes" : "no";
}
