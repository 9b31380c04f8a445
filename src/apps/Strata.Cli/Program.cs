using System.CommandLine;
using System.CommandLine.Invocation;
using Strata;
using Strata.Cli;
using Strata.Cli.Machines;
using Strata.Cli.Switches;
using Strata.Engines;

Argument<string?> imageArgument = new("image") { Description = "Image to run: debian or debian-tiny. Left out with --kernel.", Arity = ArgumentArity.ZeroOrOne };
Option<string?> nameOption = new("--name") { Description = "What other commands, such as `strata exec`, call the machine. Default: its image, with a number if that name is taken." };
Option<string?> kernelOption = new("--kernel") { Description = "Kernel to boot instead of an image: a Linux bzImage, an ELF image with a PVH entry, or a Multiboot image." };
Option<string?> initrdOption = new("--initrd") { Description = "Initial RAM disk for --kernel; the first module for Multiboot." };
Option<string[]> moduleOption = ModuleOption.Create();
Option<string?> appendOption = new("--append") { Description = "Kernel command line (with an image: added to its own)." };
Option<string> memoryOption = new("--memory", "-m") { Description = "RAM, such as 512M or 2G.", DefaultValueFactory = _ => "512M" };
Option<int> cpusOption = NumberOption.Create("--cpus", "Number of processors, 1 to 64.", example: 2, defaultValue: 1);
Option<string[]> diskOption = new("--disk") { Description = $"Disk image for the guest's /dev/vda, then /dev/vdb …; may be repeated: {DiskSpec.Syntax}. With snapshot, changes are thrown away. A comma in the path is written twice." };
Option<string[]> shareOption = new("--share") { Description = $"Host folder for the guest, {FolderShare.Syntax}; debian-tiny mounts it at /mnt/TAG; may be repeated. The tag is the folder's name where none is given; a comma in the folder is written twice." };
Option<string?> execOption = new("--exec") { Description = "Run one command line in the guest, with this command's input and output, and exit with its exit code. The image needs the agent: debian-tiny has it. Others: `strata exec`." };
Option<bool> balloonOption = new("--balloon") { Description = "Let the guest return memory that it does not use to the host." };
Option<string> consoleOption = new("--console") { Description = "Device that this terminal is connected to: serial (ttyS0) or virtio (hvc0).", DefaultValueFactory = _ => "serial" };
Option<string> serialOption = new("--serial") { Description = "Where the first serial port's output goes: stdio, none or file:PATH.", DefaultValueFactory = _ => "stdio" };
Option<bool> statsOption = new("--stats") { Description = "Print start-up time, speed and memory at the end." };
Option<string?> traceOption = new("--trace") { Description = "Write guest and host disassembly of every translated block to a file. Slow." };
Option<bool> perfMapOption = new("--perf-map") { Description = "Name translated blocks for Linux perf in /tmp/perf-PID.map." };
Option<string> engineOption = new("--engine") { Description = "How guest code is executed: auto (the fastest here, see `strata probe`), kvm, translator or interpreter.", DefaultValueFactory = _ => "auto" };
Option<bool> portableOption = new("--portable-cpu") { Description = "Offer the guest only what every engine of this host can run, so that Ctrl-A E can switch to any." };
Option<bool> noParavirtOption = new("--no-paravirt") { Description = "Do not offer what guests that were built for KVM know: its clock, steal time, hypercalls." };
Option<bool> defectiveOption = new("--accept-defective-kvm") { Description = "Use a KVM that `strata probe` calls defective; for small guests only." };

Option<string?> keepOption = new("--keep") { Description = "Keep the disk of the debian image under a name, or in a folder, and start from it the next time. Without it all changes are thrown away." };
Option<string?> hostNameOption = new("--hostname") { Description = "Host name of the debian image's system." };
Option<string?> timeZoneOption = new("--timezone") { Description = "Time zone of the debian image's system, such as Europe/Rome." };
Option<string?> sshKeyOption = new("--ssh-key") { Description = "File with public keys that may log in as root by SSH in the debian image." };

DocumentedCommand run = new("run", "Start a machine with its console on this terminal. Ctrl-A X quits, Ctrl-A H helps.", """
    Examples:
      strata run debian-tiny --cpus 2                          a shell in a second; poweroff ends it
      strata run debian --keep web --forward 2222:22           a whole Debian whose disk stays, with SSH on port 2222
      strata run debian-tiny --share .:src --exec 'ls /mnt/src'  one command; its exit code is strata's
      strata run --kernel bzImage --initrd initrd.gz --append 'console=ttyS0 root=/dev/vda' --disk root.qcow2

    Exit code 0: the guest powered off, or Ctrl-A X; 1: the machine could not be started; 2: bad options or files;
    101: the guest reset itself; 102: triple fault; 103: an error in Strata; 104: the guest's kernel panicked;
    130: interrupted. With --exec, the command's own.
    """)
{
    imageArgument, nameOption, kernelOption, initrdOption, moduleOption, appendOption, memoryOption, cpusOption, diskOption, shareOption, execOption, balloonOption, engineOption,
    consoleOption, serialOption, statsOption, traceOption, perfMapOption, portableOption, noParavirtOption, defectiveOption,
    keepOption, hostNameOption, timeZoneOption, sshKeyOption,
};
NetworkArguments network = new();
network.AddTo(run);
run.SetAction(async (result, _) =>
{
    string? image = result.GetValue(imageArgument);
    string? kernel = result.GetValue(kernelOption);
    string? initrd = result.GetValue(initrdOption);
    if (kernel is not null && image is not null)
    {
        throw new StrataException(StrataError.BadInput, $"Both the image {image} and --kernel are given; leave one of them out.");
    }

    string[] modules = result.GetValue(moduleOption) ?? [];
    if (kernel is null && (initrd is not null || modules.Length != 0))
    {
        throw new StrataException(StrataError.BadInput, $"{(initrd is null ? "--module" : "--initrd")} goes with --kernel: an image has its own.");
    }

    if (kernel is null && image is null)
    {
        throw new StrataException(StrataError.BadInput, "Nothing to run: name an image (debian, debian-tiny) or give --kernel.");
    }

    using RunCommand command = new(new RunOptions
    {
        Image = image,
        Name = result.GetValue(nameOption),
        Setup = ImageCommand.ReadSetup(result.GetValue(hostNameOption), result.GetValue(timeZoneOption), result.GetValue(sshKeyOption)),
        Keep = result.GetValue(keepOption),
        Kernel = kernel,
        Initrd = initrd,
        Modules = [.. modules.Select(ModuleFile.Parse)],
        Append = result.GetValue(appendOption),
        Memory = ParseSize(result.GetValue(memoryOption)!),
        Processors = result.GetValue(cpusOption),
        Disks = [.. (result.GetValue(diskOption) ?? []).Select(DiskSpec.Parse)],
        Networks = network.Parse(result),
        Balloon = result.GetValue(balloonOption),
        Exec = result.GetValue(execOption),
        Shares = [.. (result.GetValue(shareOption) ?? []).Select(FolderShare.Parse)],
        Engine = EngineNames.Parse(result.GetValue(engineOption)!),
        PortableCpu = result.GetValue(portableOption),
        Paravirtual = !result.GetValue(noParavirtOption),
        AcceptsDefectiveKvm = result.GetValue(defectiveOption),
        Console = ParseConsole(result.GetValue(consoleOption)!),
        Serial = result.GetValue(serialOption)!,
        Statistics = result.GetValue(statsOption),
        Trace = result.GetValue(traceOption),
        PerfMap = result.GetValue(perfMapOption),
    });
    return await command.ExecuteAsync();
});

// Not a RootCommand: that one is called after the executable file.
DocumentedCommand root = new("strata", "Strata runs unmodified operating systems without hardware virtualization, root or native code.", """
    Example: strata run debian-tiny --cpus 2

    strata COMMAND --help tells more about each.
    """)
{
    CommandHelp.CreateOption(), new VersionOption(),
    run, ListCommand.Create(), ExecCommand.Create(), ConsoleCommand.Create(), CopyCommand.Create(), EngineCommand.Create(), ExplainCommand.Create(), InspectCommand.Create(), StopCommand.Create(),
    ImageCommand.Create(), DiskCommand.Create(), SwitchCommand.Create(), ProbeCommand.Create(), VerifyCommand.Create(),
};

StandardStream.TakeConsole();
try
{
    ParseResult parsed = root.Parse(ExecCommand.SeparateGuestCommand(args));
    if (ParseErrors.Report(parsed))
    {
        return ExitCodes.BadInput;
    }

    int code = await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    return parsed.Action is ParseErrorAction ? ExitCodes.BadInput : code;
}
catch (StrataException error)
{
    Console.Error.WriteLine($"strata: {error.Message}");
    return error.Error == StrataError.BadInput ? ExitCodes.BadInput : ExitCodes.Failure;
}
catch (OutputLostException error)
{
    Console.Error.WriteLine($"strata: {error.Message}");
    return ExitCodes.Failure;
}
catch (OperationCanceledException)
{
    return ExitCodes.Interrupted;
}

static ConsoleDevice ParseConsole(string text) => text switch
{
    "serial" => ConsoleDevice.Serial,
    "virtio" => ConsoleDevice.Virtio,
    _ => throw new StrataException(StrataError.BadInput, $"There is no console device \"{text}\"; use serial or virtio."),
};

static ulong ParseSize(string text) => MemorySize.Parse(text);
