using Strata.Engines;

namespace Strata.Tests;

/// <summary>The choice of an engine by measurement.</summary>
public sealed class EngineProbeTests
{
    private static readonly EngineMeasurement Translator = new()
    {
        Engine = Engine.Translator,
        KernelMips = 6000,
        UserMips = 6000,
        ExitMicroseconds = 0.07,
        FaultMicroseconds = 0.7,
    };

    /// <summary>As hardware does it.</summary>
    private static readonly EngineMeasurement FastKvm = new()
    {
        Engine = Engine.Kvm,
        KernelMips = 15000,
        UserMips = 15000,
        ExitMicroseconds = 2,
        FaultMicroseconds = 0.3,
    };

    /// <summary>As a KVM does it that is virtualized in software: user mode is the fastest of all, and yet it must lose.</summary>
    private static readonly EngineMeasurement SlowKvm = FastKvm with
    {
        KernelMips = 1,
        UserMips = 16000,
        ExitMicroseconds = 10,
        FaultMicroseconds = 9,
    };

    [Fact]
    public void Choose_KvmOnHardware_IsKvm() => Assert.Equal(Engine.Kvm, EngineProbe.Choose([Translator, FastKvm]).Engine);

    [Fact]
    public void Choose_KvmInSoftware_IsTheTranslatorAndSaysWhy()
    {
        EngineChoice choice = EngineProbe.Choose([Translator, SlowKvm]);

        Assert.Equal(Engine.Translator, choice.Engine);
        Assert.Contains("kvm does 1.0 MIPS in kernel mode", choice.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Choose_DefectiveKvm_IsTheTranslator()
    {
        EngineChoice choice = EngineProbe.Choose([Translator, FastKvm with { Defect = "SYSCALL is broken" }]);

        Assert.Equal(Engine.Translator, choice.Engine);
        Assert.Contains("SYSCALL is broken", choice.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Choose_KvmAloneMeasuredAndHopeless_IsTheTranslator() =>
        Assert.Equal(Engine.Translator, EngineProbe.Choose([new EngineMeasurement { Engine = Engine.Kvm, KernelMips = 1 }]).Engine);

    [Fact]
    public void Choose_KvmAloneMeasuredAndFast_IsKvm() => Assert.Equal(Engine.Kvm, EngineProbe.Choose([FastKvm]).Engine);

    [Theory]
    [InlineData("auto")]
    [InlineData("kvm")]
    [InlineData("translator")]
    [InlineData("interpreter")]
    public void Parse_NameOfAnEngine_IsTheEngine(string name) => Assert.Equal(name, EngineNames.Parse(name).Name);

    [Fact]
    public void Choose_EverythingMeasured_NamesTheTwoBest()
    {
        EngineMeasurement interpreter = Translator with { Engine = Engine.Interpreter, KernelMips = 250, UserMips = 250 };

        EngineChoice choice = EngineProbe.Choose([interpreter, Translator, SlowKvm]);

        Assert.Equal(Engine.Translator, choice.Engine);
        Assert.StartsWith("Measured on this host: translator does 6000.0 MIPS", choice.Reason, StringComparison.Ordinal);
        Assert.Contains("; interpreter does 250.0 MIPS", choice.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_AnotherWord_ErrorListsTheEngines() =>
        Assert.Contains(
            "kvm, direct, translator, interpreter", Assert.Throws<StrataException>(() => EngineNames.Parse("qemu")).Message,
            StringComparison.Ordinal);
}
