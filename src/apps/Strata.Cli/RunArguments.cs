using System.CommandLine;
using Strata.Engines;
using Strata.Screens;

namespace Strata.Cli;

/// <summary>`strata run` on the command line: what of it makes the machine, and what this process does with it.</summary>
internal sealed class RunArguments
{
    private readonly Argument<string?> _image = new("image")
    {
        Description = "Image to run: debian or debian-tiny; or the file of a disk or an ISO image, which firmware starts. Left out with " +
            "--kernel.",
        Arity = ArgumentArity.ZeroOrOne,
    };


    private readonly Option<string?> _spec = new("--spec")
    {
        Description = "File with the machine's specification as JSON, such as `strata inspect MACHINE --spec` writes; options beside it " +
            "take the place of what it says.",
    };

    private readonly Option<string?> _name = new("--name")
    {
        Description = "What other commands, such as `strata exec`, call the machine. Default: its image, with a number if that name is " +
            "taken.",
    };

    private readonly Option<string?> _kernel = new("--kernel")
    {
        Description = "Kernel to boot instead of an image: a Linux bzImage, an ELF image with a PVH entry, or a Multiboot image.",
    };

    private readonly Option<string?> _initrd = new("--initrd")
    {
        Description = "Initial RAM disk for --kernel; the first module for Multiboot.",
    };
    private readonly Option<string[]> _module = ModuleOption.Create();
    private readonly Option<string?> _append = new("--append") { Description = "Kernel command line (with an image: added to its own)." };
    private readonly Option<string> _memory = new("--memory", "-m")
    {
        Description = "RAM, such as 512M or 2G.",
        DefaultValueFactory = _ => "512M",
    };

    private readonly Option<int> _cpus = NumberOption.Create("--cpus", "Number of processors, 1 to 64.", example: 2, defaultValue: 1);

    private readonly Option<string[]> _disk = new("--disk")
    {
        Description = $"Disk image for the guest's /dev/vda, then /dev/vdb …; may be repeated: {DiskSpec.Syntax}. With snapshot, changes " +
            $"are thrown away. "
            + "A comma in the path is written twice.",
    };

    private readonly FirmwareArguments _firmware = new();

    private readonly Option<string[]> _share = new("--share")
    {
        Description = $"Host folder for the guest, {FolderShare.Syntax}; debian-tiny mounts it at /mnt/TAG; may be repeated. The tag is " +
            $"the folder's name where "
            + "none is given; a comma in the folder is written twice.",
    };

    private readonly Option<string?> _exec = new("--exec")
    {
        Description = "Run one command line in the guest, with this command's input and output, and exit with its exit code. The image " +
            "needs the agent: "
            + "debian-tiny has it. Others: `strata exec`.",
    };

    private readonly Option<bool> _balloon = new("--balloon")
    {
        Description = "Let the guest return memory that it does not use to the host. Machines of an image do so without being asked.",
    };


    private readonly Option<string[]> _smbios = new("--smbios")
    {
        Description = $"What the guest reads about its machine (dmidecode), {SmbiosSpec.Syntax}; may be repeated. serial=ds=nocloud " +
            $"tells cloud-init where its data is.",
    };

    private readonly Option<string?> _cloudInit = new("--cloud-init")
    {
        Description = $"Files for cloud-init in the guest, which finds them on a disc: {CloudInitSpec.Syntax}. A comma in a path is " +
            $"written twice.",
    };

    private readonly Option<bool> _hpet = new("--hpet")
    {
        Description = "Give the machine high-precision event timers.",
    };

    private readonly Option<string?> _usb = new("--usb")
    {
        Description = "Give the machine a USB controller with these devices: tablet, keyboard, or both with a comma between.",
    };

    private readonly Option<string?> _sound = new("--sound")
    {
        Description = "Give the machine a sound card: wav=FILE records what it plays, none lets nobody hear it.",
    };

    private readonly Option<string> _engine = new("--engine")
    {
        Description = "How guest code is executed: auto (the fastest here, see `strata probe`), kvm, direct, translator or interpreter.",
        DefaultValueFactory = _ => "auto",
    };

    private readonly Option<string> _console = new("--console")
    {
        Description = "Device that this terminal is connected to: serial (ttyS0) or virtio (hvc0).",
        DefaultValueFactory = _ => "serial",
    };

    private readonly Option<string> _serial = new("--serial")
    {
        Description = "Where the first serial port's output goes: stdio, none or file:PATH.",
        DefaultValueFactory = _ => "stdio",
    };

    private readonly Option<bool> _stats = new("--stats") { Description = "Print start-up time, speed and memory at the end." };
    private readonly Option<string?> _trace = new("--trace")
    {
        Description = "Write guest and host disassembly of every translated block to a file. Slow.",
    };

    private readonly Option<bool> _perfMap = new("--perf-map")
    {
        Description = "Name translated blocks for Linux perf in /tmp/perf-PID.map.",
    };

    private const string PortableCpu = "portable";

    private readonly Option<string> _cpu = new("--cpu")
    {
        Description = $"What the guest's processors can do: {string.Join(", ", CpuNames.All)} (what this host's can), or portable " +
            "(x86-64-v2, and what --portable-cpu does).",
        DefaultValueFactory = _ => "host",
    };

    private readonly Option<bool> _portable = new("--portable-cpu")
    {
        Description = "Offer the guest only what every engine of this host can run, so that Ctrl-A E can switch to any.",
    };

    private readonly Option<bool> _noParavirt = new("--no-paravirt")
    {
        Description = "Do not offer what guests that were built for KVM know: its clock, steal time, hypercalls.",
    };

    private readonly Option<string> _display = new("--display")
    {
        Description = $"How the screen of a machine with firmware is seen: {DisplaySpec.Syntax}. text shows its text modes in this " +
            $"terminal, vnc everything to VNC viewers, "
            + "from port 5900 on of 127.0.0.1 where no address is given.",
        DefaultValueFactory = _ => "none",
    };

    private readonly Option<string> _reset = new("--reset")
    {
        Description = "What happens where the guest resets its machine: restart (it starts again, but behind a kernel panic the run " +
            "ends), exit, or always (it starts again in any case).",
        DefaultValueFactory = _ => "restart",
    };

    private readonly Option<bool> _testDevices = new("--test-devices")
    {
        Description = "Add the devices that kvm-unit-tests drive: scratch port E0H, interrupt lines from port 2000H, memory at FF000000H.",
    };

    private readonly Option<bool> _defective = new("--accept-defective-kvm")
    {
        Description = "Use a KVM that `strata probe` calls defective; for small guests only.",
    };


    private readonly Option<int> _stopTimeout = NumberOption.Create(
        "--stop-timeout", "Seconds that the guest may take to shut down after SIGTERM, 0 to 86400.", example: 120, defaultValue: 30);

    private readonly Option<string?> _keep = new("--keep")
    {
        Description = "Keep the disk of the debian image under a name, or in a folder, and start from it the next time. Without it all " +
            "changes are thrown away.",
    };

    private readonly Option<string?> _hostName = new("--hostname") { Description = "Host name of the debian image's system." };
    private readonly Option<string?> _timeZone = new("--timezone")
    {
        Description = "Time zone of the debian image's system, such as Europe/Rome.",
    };

    private readonly Option<string?> _sshKey = new("--ssh-key")
    {
        Description = "File with public keys that may log in as root by SSH in the debian image.",
    };

    private readonly NetworkArguments _network = new();
    private readonly LogArguments _log = new();

    public static Command Create(TerminationSignals signals)
    {
        RunArguments arguments = new();
        DocumentedCommand run = new("run", "Start a machine with its console on this terminal. Ctrl-A X quits, Ctrl-A H helps.", """
            Examples:
              strata run debian-tiny --cpus 2                          a shell in a second; poweroff ends it
              strata run debian --keep web --forward 2222:22           a whole Debian whose disk stays, with SSH on port 2222
              strata run debian-tiny --share .:src --exec 'ls /mnt/src'  one command; its exit code is strata's
              strata run --kernel bzImage --initrd initrd.gz --append 'console=ttyS0 root=/dev/vda' --disk root.qcow2
              strata run --spec web.json --memory 2G                   what a file says, with more memory
              strata run disk.qcow2 --cdrom install.iso --boot cdrom   a whole PC, as it starts what people have

            Exit code 0: the guest powered off, or Ctrl-A X; 1: the machine could not be started; 2: bad options or files;
            101: the guest reset itself (--reset exit), 102: by a triple fault; 103: an error in Strata; 104: the guest's kernel panicked;
            130: interrupted; 143: SIGTERM, and the guest did not shut down. With --exec, the command's own.

            SIGTERM and SIGHUP ask the guest to shut down and wait for that; a second one ends the machine at once.
            """)
        {
            arguments._image, arguments._name, arguments._spec, arguments._kernel, arguments._initrd, arguments._module, arguments._append,
            arguments._memory, arguments._cpus,
            arguments._disk, arguments._share, arguments._exec, arguments._balloon, arguments._smbios,
            arguments._cloudInit, arguments._hpet, arguments._usb, arguments._sound, arguments._engine,
            arguments._console, arguments._serial, arguments._display,
            arguments._stats, arguments._trace, arguments._perfMap, arguments._cpu, arguments._portable, arguments._noParavirt,
            arguments._reset, arguments._testDevices, arguments._defective,
            arguments._keep, arguments._hostName, arguments._timeZone, arguments._sshKey, arguments._stopTimeout,
        };
        arguments._firmware.AddTo(run);
        arguments._network.AddTo(run);
        arguments._log.AddTo(run);
        run.SetAction(async (result, token) =>
        {
            if (arguments._log.ShowsHelp(result))
            {
                return ExitCodes.Success;
            }

            using TextLoggers loggers = arguments._log.Create(result);
            using RunCommand command = new((await arguments.ParseAsync(result, token)) with { Loggers = loggers });
            return await command.ExecuteAsync(signals, token);
        });
        return run;
    }

    private async Task<RunOptions> ParseAsync(ParseResult result, CancellationToken token)
    {
        MachineSpec spec = result.GetValue(_spec) is { } file
            ? await MachineSpec.LoadAsync(file, token)
            : new MachineSpec { Sockets = true }; // for agents
        if (result.GetValue(_cloudInit) is { } files)
        {
            spec = spec with { CloudInit = await CloudInitSpec.LoadAsync(files, token) };
        }

        spec = _firmware.Apply(result, ApplySizes(result, ApplyEngine(result, ApplyFiles(result, spec))));
        spec = FirmwareArguments.KeepVariables(spec, result.GetValue(_name));
        return new RunOptions
        {
            Spec = spec with { Name = result.GetValue(_name) ?? spec.Name, Networks = _network.Apply(result, spec.Networks) },
            Exec = result.GetValue(_exec),
            Serial = result.GetValue(_serial)!,
            Display = DisplaySpec.Parse(result.GetValue(_display)!),
            StopPatience = ParseStopTimeout(result.GetValue(_stopTimeout)),
            Statistics = result.GetValue(_stats),
            Trace = result.GetValue(_trace),
        };
    }

    private MachineSpec ApplyFiles(ParseResult result, MachineSpec spec)
    {
        string? image = result.GetValue(_image);
        string? kernel = result.GetValue(_kernel);
        if (kernel is not null && image is not null)
        {
            throw new StrataException(StrataError.BadInput, $"Both the image {image} and --kernel are given; leave one of them out.");
        }

        if (image is not null && FirmwareArguments.TryStartFrom(image) is { } start)
        {
            spec = spec with
            {
                Image = null,
                Kernel = null,
                Initrd = null,
                InitrdOverlays = [],
                Modules = [],
                ImageFolder = null,
                CommandLine = null,
                Firmware = start.Firmware,
                Disks = start.Disks,
            };
        }
        else if (image is not null || kernel is not null)
        {
            spec = spec with
            {
                Image = image,
                Kernel = kernel,
                Initrd = null,
                InitrdOverlays = [],
                Modules = [],
                ImageFolder = null,
                CommandLine = null,
            };
        }

        return spec with
        {
            Initrd = result.GetValue(_initrd) ?? spec.Initrd,
            Modules = IsGiven(result, _module) ? [.. result.GetValue(_module)!.Select(ModuleFile.Parse)] : spec.Modules,
            CommandLine = result.GetValue(_append) ?? spec.CommandLine,
            Keep = result.GetValue(_keep) ?? spec.Keep,
            Setup = ImageCommand.ReadSetup(spec.Setup, result.GetValue(_hostName), result.GetValue(_timeZone), result.GetValue(_sshKey)),
        };
    }

    private MachineSpec ApplySizes(ParseResult result, MachineSpec spec) => spec with
    {
        Memory = IsGiven(result, _memory) ? ByteSize.ParseMemory(result.GetValue(_memory)!) : spec.Memory,
        Processors = IsGiven(result, _cpus) ? result.GetValue(_cpus) : spec.Processors,
        Disks = IsGiven(result, _disk)
            ? [.. FirmwareArguments.StartDisks(result.GetValue(_image), spec), .. result.GetValue(_disk)!.Select(DiskSpec.Parse)]
            : spec.Disks,
        Shares = IsGiven(result, _share) ? [.. result.GetValue(_share)!.Select(FolderShare.Parse)] : spec.Shares,
        Balloon = result.GetValue(_balloon) || spec.Balloon,
        Hpet = result.GetValue(_hpet) || spec.Hpet,
        Sound = result.GetValue(_sound) is { } sound ? SoundSpec.Parse(sound) : spec.Sound,
        Usb = result.GetValue(_usb) is { } usb ? [.. usb.Split(',').Select(ParseUsb)] : spec.Usb,
        Smbios = IsGiven(result, _smbios)
            ? result.GetValue(_smbios)!.Aggregate(spec.Smbios, (smbios, text) => smbios.With(text))
            : spec.Smbios,
    };

    private static UsbDevice ParseUsb(string word) => word switch
    {
        "tablet" => UsbDevice.Tablet,
        "keyboard" => UsbDevice.Keyboard,
        _ => throw new StrataException(StrataError.BadInput, $"\"{word}\" is no USB device; --usb takes tablet, keyboard, or both."),
    };

    private MachineSpec ApplyEngine(ParseResult result, MachineSpec spec) => spec with
    {
        Engine = IsGiven(result, _engine) ? EngineNames.Parse(result.GetValue(_engine)!) : spec.Engine,
        Cpu = IsGiven(result, _cpu) ? ParseCpu(result.GetValue(_cpu)!) : spec.Cpu,
        PortableCpu = result.GetValue(_portable) || IsPortable(result) || spec.PortableCpu,
        Paravirtual = !result.GetValue(_noParavirt) && spec.Paravirtual,
        Reset = IsGiven(result, _reset) ? ParseReset(result.GetValue(_reset)!) : spec.Reset,
        TestDevices = result.GetValue(_testDevices) || spec.TestDevices,
        AcceptsDefectiveKvm = result.GetValue(_defective) || spec.AcceptsDefectiveKvm,
        WritePerfMap = result.GetValue(_perfMap) || spec.WritePerfMap,
        Console = IsGiven(result, _console) ? ParseConsole(result.GetValue(_console)!) : spec.Console,
    };

    private bool IsPortable(ParseResult result) => IsGiven(result, _cpu) && result.GetValue(_cpu) == PortableCpu;

    private static string ParseCpu(string text) => CpuNames.Parse(text == PortableCpu ? CpuNames.Least : text);

    /// <summary>On the command line, and not by its default.</summary>
    internal static bool IsGiven(ParseResult result, Option option) => result.GetResult(option) is { Implicit: false };

    private static TimeSpan ParseStopTimeout(int seconds) => seconds is >= 0 and <= 86_400
        ? TimeSpan.FromSeconds(seconds)
        : throw new StrataException(StrataError.BadInput, $"Nobody waits for {seconds} seconds; give --stop-timeout 0 to 86400.");

    private static ResetPolicy ParseReset(string text) => text switch
    {
        "restart" => ResetPolicy.Restart,
        "exit" => ResetPolicy.Exit,
        "always" => ResetPolicy.Always,
        _ => throw new StrataException(StrataError.BadInput, $"--reset is restart, exit or always, not \"{text}\"."),
    };

    private static ConsoleDevice ParseConsole(string text) => text switch
    {
        "serial" => ConsoleDevice.Serial,
        "virtio" => ConsoleDevice.Virtio,
        _ => throw new StrataException(StrataError.BadInput, $"There is no console device \"{text}\"; use serial or virtio."),
    };
}
