using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Strata.Images;
using Strata.Verification;

namespace Strata.Cli;

/// <summary>`strata verify`: a guest on two engines at once, compared instruction by instruction.</summary>
internal static class VerifyCommand
{
    private const string Details = """
        Both run as complete machines of their own whose time is a function of the instructions executed, so that a run can be
        repeated exactly. The first difference ends it: the instruction, both states, the code around it and how to repeat it are
        printed.

        Examples:
          strata verify debian-tiny
          strata verify --kernel bzImage --initrd initrd --append console=ttyS0 --limit 200000000
          strata verify debian-tiny --from 900000000     compare only from there on; what comes before runs fast
          strata verify debian-tiny --every 100000       compare registers less often; a difference is then looked for again
          strata verify debian-tiny --fault-at 123456789 see that a wrong bit is found

        Exit code 0: no difference; 1: a difference; 2: bad options or files.
        """;

    public static Command Create()
    {
        Argument<string?> image = new("image")
        {
            Description = "Image to run: debian-tiny. Left out with --kernel.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> kernel = new("--kernel")
        {
            Description = "Kernel to boot instead of an image: a Linux bzImage, an ELF image with a PVH entry, or a Multiboot image.",
        };
        Option<string?> initrd = new("--initrd") { Description = "Initial RAM disk for --kernel." };
        Option<string[]> module = ModuleOption.Create();
        Option<string?> append = new("--append") { Description = "Kernel command line (with an image: added to its own)." };
        Option<string> memory = new("--memory", "-m")
        {
            Description = "RAM of each of the two machines, such as 256M.",
            DefaultValueFactory = _ => "256M",
        };
        Option<int> cpus = NumberOption.Create("--cpus", "Number of processors, 1 to 64; they run in turns.", example: 2, defaultValue: 1);
        Option<ulong> seed = NumberOption.Create("--seed", "Seed of the guest's random numbers.", example: 1UL, defaultValue: 1UL);
        Option<long> from = NumberOption.Create("--from", "First instruction after which states are compared.", example: 900_000_000L);
        Option<long> every = NumberOption.Create(
            "--every", "Instructions between comparisons of registers; 0: after every block.", example: 100_000L);
        Option<long> memoryEvery = NumberOption.Create(
            "--memory-every", "Instructions between comparisons of all memory.", example: 50_000_000L, defaultValue: 50_000_000L);
        Option<long> limit = NumberOption.Create(
            "--limit", "End after so many instructions; 0: when the guest powers off.", example: 200_000_000L);
        Option<string[]> send = new("--send")
        {
            Description = "Line to type when the guest prints the prompt; may be repeated. With an image: poweroff.",
        };
        Option<string> prompt = new("--prompt")
        {
            Description = "Text after which the guest waits for a line.",
            DefaultValueFactory = _ => "# ",
        };
        Option<bool> quiet = new("--quiet", "-q") { Description = "Do not show what the guest prints." };
        Option<long> faultAt = NumberOption.Create(
            "--fault-at", "Make the engine under test flip a bit of RAX after this instruction: to see that it is found.",
            example: 50_000_000L);
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new(
            "verify", "Run a guest on the translator and on the interpreter at once and compare their states after every block.", Details)
        {
            image, kernel, initrd, module, append, memory, cpus, seed, from, every, memoryEvery, limit, send, prompt, quiet, faultAt,
            output,
        };
        command.SetAction(async (result, token) =>
        {
            bool json = OutputOption.IsJson(result, output); // the result only, without what the guest prints
            long fault = result.GetValue(faultAt);
            VerificationSpec spec = await CreateSpecAsync(
                result.GetValue(image), result.GetValue(kernel), result.GetValue(initrd), result.GetValue(append), token);
            string[] modules = result.GetValue(module) ?? [];
            if (modules.Length != 0 && result.GetValue(kernel) == null)
            {
                throw new StrataException(StrataError.BadInput, "--module goes with --kernel: an image has its own.");
            }

            spec = spec with
            {
                Modules = [.. modules.Select(ModuleFile.Parse)],
                Memory = ByteSize.ParseMemory(result.GetValue(memory)!),
                Processors = result.GetValue(cpus),
                Seed = result.GetValue(seed),
                From = result.GetValue(from),
                Every = result.GetValue(every),
                MemoryEvery = result.GetValue(memoryEvery),
                Limit = result.GetValue(limit),
                Input = result.GetValue(send) is { Length: > 0 } lines ? lines : spec.Input,
                Prompt = result.GetValue(prompt)!,
                FaultAt = fault,
                ConsoleOutput = json || result.GetValue(quiet) ? null : Show,
            };
            using ProgressLine progress = new();
            VerificationResult verification = await Verifier.RunAsync(spec, progress, token);
            progress.Clear();
            if (json)
            {
                Console.WriteLine(JsonSerializer.Serialize(verification, VerificationJson.Default.VerificationResult));
            }
            else
            {
                VerificationText.Write(Console.Out, verification, spec, fault);
            }

            return verification.Divergence == null ? ExitCodes.Success : ExitCodes.Failure;
        });
        return command;
    }

    private static async Task<VerificationSpec> CreateSpecAsync(
        string? image, string? kernel, string? initrd, string? append, CancellationToken cancellation)
    {
        if (kernel != null && image != null)
        {
            throw new StrataException(StrataError.BadInput, $"Both the image {image} and --kernel are given; leave one of them out.");
        }

        if (kernel == null && initrd != null)
        {
            throw new StrataException(StrataError.BadInput, "--initrd goes with --kernel: an image has its own.");
        }

        if (kernel != null)
        {
            return new VerificationSpec { Kernel = kernel, Initrd = initrd, CommandLine = append ?? "console=ttyS0 panic=-1" };
        }

        if (image == null)
        {
            throw new StrataException(StrataError.BadInput, $"Nothing to run: name an image ({DebianTiny.Name}) or give --kernel.");
        }

        if (image != DebianTiny.Name)
        {
            throw new StrataException(StrataError.BadInput, $"There is no image \"{image}\"; the image is {DebianTiny.Name}.");
        }

        DebianTiny tiny = new();
        await tiny.EnsureAsync(LineProgress.ForTerminal(), cancellation);
        return new VerificationSpec
        {
            Kernel = tiny.KernelPath,
            Initrd = tiny.InitrdPath,
            CommandLine = "console=ttyS0 quiet panic=-1" + (append == null ? string.Empty : " " + append),
            Input = ["poweroff"],
        };
    }

    private static void Show(ReadOnlyMemory<byte> bytes)
    {
        using StandardStream console = new(StandardStream.Output, isText: true);
        console.Write(bytes.Span);
    }

    /// <summary>One line on a terminal's standard error that is written over.</summary>
    private sealed class ProgressLine : IProgress<VerificationProgress>, IDisposable
    {
        private readonly bool _isTerminal = !Console.IsErrorRedirected;
        private readonly System.Diagnostics.Stopwatch _watch = System.Diagnostics.Stopwatch.StartNew();
        private TimeSpan _last;

        public void Report(VerificationProgress value)
        {
            if (!_isTerminal || _watch.Elapsed - _last < TimeSpan.FromSeconds(0.5))
            {
                return;
            }

            _last = _watch.Elapsed;
            Console.Error.Write(string.Create(
                CultureInfo.InvariantCulture,
                $"\r\e[Kstrata: {value.Phase}: {value.Instructions / 1e6:F0} million instructions, {value.Comparisons / 1e6:F1} million " +
                $"comparisons, guest time {value.VirtualTime.TotalSeconds:F2} s\r"));
        }

        public void Clear()
        {
            if (_isTerminal)
            {
                Console.Error.Write("\r\e[K");
            }
        }

        public void Dispose() => Clear();
    }
}
