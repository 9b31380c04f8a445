using Strata.X86.Execution;

namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>The engine under test. Other engines' test projects take these tests with a factory of their own.</summary>
internal static class EngineFactory
{
    public static IX86Engine Create(X86CpuWiring wiring) => new Interpreter(wiring);
}
