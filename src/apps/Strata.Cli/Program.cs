using System.CommandLine;
using System.CommandLine.Invocation;
using Strata;
using Strata.Cli;
using Strata.Images;

Argument<string?> imageArgument = new("image") { Description = "Image to run: debian-tiny. Left out with --kernel.", Arity = ArgumentArity.ZeroOrOne };
Option<string?> kernelOption = new("--kernel") { Description = "Linux bzImage to boot instead of an image." };
Option<string?> initrdOption = new("--initrd") { Description = "Initial RAM disk for --kernel." };
Option<string?> appendOption = new("--append") { Description = "Kernel command line (with an image: added to its own)." };
Option<string> memoryOption = new("--memory", "-m") { Description = "RAM, such as 512M or 2G.", DefaultValueFactory = _ => "512M" };
Option<int> cpusOption = new("--cpus") { Description = "Number of processors, 1 to 64.", DefaultValueFactory = _ => 1 };
Option<string[]> diskOption = new("--disk") { Description = $"Disk image for the guest's /dev/vda, then /dev/vdb …; may be repeated: {DiskSpec.Syntax}. With snapshot, changes are thrown away." };
Option<string> consoleOption = new("--console") { Description = "Device that this terminal is connected to: serial (ttyS0) or virtio (hvc0).", DefaultValueFactory = _ => "serial" };
Option<string> serialOption = new("--serial") { Description = "Where the first serial port's output goes: stdio, none or file:PATH.", DefaultValueFactory = _ => "stdio" };
Option<bool> statsOption = new("--stats") { Description = "Print start-up time, speed and memory at the end." };
Option<string?> traceOption = new("--trace") { Description = "Write guest and host disassembly of every translated block to a file. Slow." };
Option<bool> perfMapOption = new("--perf-map") { Description = "Name translated blocks for Linux perf in /tmp/perf-PID.map." };
Option<string> engineOption = new("--engine") { Description = "How guest code is executed: auto, translator or interpreter.", DefaultValueFactory = _ => "auto" };

Command run = new("run", "Start a machine with its console on this terminal. Ctrl-A X quits, Ctrl-A H helps.")
{
    imageArgument, kernelOption, initrdOption, appendOption, memoryOption, cpusOption, diskOption, engineOption,
    consoleOption, serialOption, statsOption, traceOption, perfMapOption,
};
run.SetAction(async (result, _) =>
{
    string? image = result.GetValue(imageArgument);
    string? kernel = result.GetValue(kernelOption);
    if (kernel is null && image is null)
    {
        throw new StrataException(StrataError.BadInput, "Nothing to run: name an image (debian-tiny) or give --kernel.");
    }

    if (kernel is null && image != DebianTiny.Name)
    {
        throw new StrataException(StrataError.BadInput, $"There is no image \"{image}\"; the image is {DebianTiny.Name}.");
    }

    using RunCommand command = new(new RunOptions
    {
        Image = image,
        Kernel = kernel,
        Initrd = result.GetValue(initrdOption),
        Append = result.GetValue(appendOption),
        Memory = ParseSize(result.GetValue(memoryOption)!),
        Processors = result.GetValue(cpusOption),
        Disks = [.. (result.GetValue(diskOption) ?? []).Select(DiskSpec.Parse)],
        Engine = ParseEngine(result.GetValue(engineOption)!),
        Console = ParseConsole(result.GetValue(consoleOption)!),
        Serial = result.GetValue(serialOption)!,
        Statistics = result.GetValue(statsOption),
        Trace = result.GetValue(traceOption),
        PerfMap = result.GetValue(perfMapOption),
    });
    return await command.ExecuteAsync();
});

Command pull = new("pull", "Fetch debian-tiny into the cache; does nothing if it is there.");
pull.SetAction(async (result, token) =>
{
    await new DebianTiny().EnsureAsync(new Progress<string>(line => Console.Error.WriteLine($"strata: {line} ...")), token);
    return ExitCodes.Success;
});
Command list = new("list", "List images and whether they are cached.");
list.SetAction(_ => Console.WriteLine($"{DebianTiny.Name}\t{(new DebianTiny().IsCached ? "cached" : "not fetched yet")}"));
Command images = new("image", "Images that can be run.") { pull, list };

RootCommand root = new("Strata runs unmodified operating systems without hardware virtualization, root or native code.\n\nExample: strata run debian-tiny --cpus 2")
{
    run, images, DiskCommand.Create(), VerifyCommand.Create(),
};

try
{
    ParseResult parsed = root.Parse(args);
    int code = await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    return parsed.Action is ParseErrorAction ? ExitCodes.BadInput : code;
}
catch (StrataException error)
{
    Console.Error.WriteLine($"strata: {error.Message}");
    return error.Error == StrataError.BadInput ? ExitCodes.BadInput : ExitCodes.Failure;
}

static Engine ParseEngine(string text) => text switch
{
    "auto" => Engine.Auto,
    "interpreter" => Engine.Interpreter,
    "translator" => Engine.Translator,
    _ => throw new StrataException(StrataError.BadInput, $"There is no engine \"{text}\"; use auto, translator or interpreter."),
};

static ConsoleDevice ParseConsole(string text) => text switch
{
    "serial" => ConsoleDevice.Serial,
    "virtio" => ConsoleDevice.Virtio,
    _ => throw new StrataException(StrataError.BadInput, $"There is no console device \"{text}\"; use serial or virtio."),
};

static ulong ParseSize(string text) => MemorySize.Parse(text);
