using Strata.Machines.Engines;

namespace Strata.Machines.Tests.Engines;

public sealed class EngineRegistryTests
{
    [Fact]
    public void All_NamesOfUsers_AreWhatTheyAlwaysWere() =>
        Assert.Equal(["kvm", "direct", "translator", "interpreter"], EngineRegistry.All.Select(engine => engine.Name));

    [Fact]
    public void All_EachEngine_SaysWhatItIsAndNeeds() =>
        Assert.All(EngineRegistry.All, engine => Assert.True(engine.Description.EndsWith('.') && engine.Needs.Length > 0, engine.Name));

    [Fact]
    public void Find_NameOfNone_IsNull() => Assert.Null(EngineRegistry.Find("qemu"));

    [Fact]
    public void FindObstacle_Interpreter_IsNone() => Assert.Null(EngineRegistry.Interpreter.FindObstacle());
}
