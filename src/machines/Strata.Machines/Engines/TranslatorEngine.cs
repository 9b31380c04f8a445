using Strata.X86.Execution;
using Strata.X86.Translator;

namespace Strata.Machines.Engines;

/// <summary>The translator in a machine.</summary>
internal sealed class TranslatorEngine(TranslatorOptions options) : IMachineEngine
{
    public static EngineDescriptor Descriptor { get; } = new()
    {
        Name = "translator",
        Description = "Binary translation: guest code becomes code of the host, with checked memory accesses.",
        Needs = "an x64 Linux host that allows executable memory",
        FindObstacle = () => Translator.IsSupported ? null : "The translator needs an x64 Linux host; use the interpreter here.",
        HoldsUserCode = true,
        TypicalSpeed = new EngineSpeed(1500, 1500, 0.3, 1.5), // on the slow side of what hosts show
        Create = setup => Translator.IsSupported
            ? new TranslatorEngine(WithKeptCode(setup.Translation with { IsOnlyProcessor = setup.Policy.ProcessorCount == 1 }, setup))
            : throw new EngineUnavailableException("The translator needs an x64 Linux host; use the interpreter here."),
    };

    public IX86Engine CreateVcpu(X86Cpu cpu)
    {
        try
        {
            return new Translator(cpu, options);
        }
        catch (PlatformNotSupportedException error)
        {
            throw new EngineUnavailableException(error.Message, error);
        }
    }

    /// <summary>Each processor has its own code; what they take it over from is the machine's.</summary>
    public void Dispose() => options.Kept?.Code.Dispose();

    private static TranslatorOptions WithKeptCode(TranslatorOptions options, EngineSetup setup) =>
        setup.OpenKeptCode?.Invoke(Translator.IdentityOf(options)) is { } kept ? options with { Kept = kept } : options;
}
