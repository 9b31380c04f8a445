namespace Strata.Machines.Engines;

/// <summary>The engines that there are. A new one is a descriptor here; nothing else lists them.</summary>
public static class EngineRegistry
{
    /// <summary>The one that runs everywhere: the reference.</summary>
    public static EngineDescriptor Interpreter => InterpreterEngine.Descriptor;

    /// <summary>In the order in which they are offered to people.</summary>
    public static IReadOnlyList<EngineDescriptor> All { get; } = [
        KvmMachineEngine.Descriptor, DirectMachineEngine.Descriptor, TranslatorEngine.Descriptor, InterpreterEngine.Descriptor];

    /// <summary>The engine of a name, or null.</summary>
    public static EngineDescriptor? Find(string name) => All.FirstOrDefault(engine => engine.Name == name);
}
