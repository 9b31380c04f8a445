using Strata.X86.Execution;

namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>The engine under test: here the translator, keeping every flag.</summary>
internal static class EngineFactory
{
    public static IX86Engine Create(X86CpuWiring wiring) =>
        new Translator.Translator(wiring, new Translator.TranslatorOptions { ExactFlags = true });
}
