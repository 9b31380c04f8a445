using Strata.Core.Bus;
using Strata.Devices.Power;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Power;

/// <summary>ACPI specification 6.4, "General-Purpose Event Registers".</summary>
public sealed class GeneralPurposeEventsTests
{
    private const int Status = 0;
    private const int Enable = 2;

    private readonly Strata.Core.Interrupts.InterruptLine _sci = new RecordingSink().Line(9);
    private readonly GeneralPurposeEvents _events;

    public GeneralPurposeEventsTests() => _events = new GeneralPurposeEvents(_sci);

    [Fact]
    public void Signal_EnabledEvent_InterruptsUntilItIsCleared()
    {
        _events.WritePort(Enable, AccessWidth.Word, 1 << 3);

        _events.Signal(3);

        Assert.True(_sci.IsHigh);
        Assert.Equal(1u << 3, _events.ReadPort(Status, AccessWidth.Word) & 0xFFFF);
        _events.WritePort(Status, AccessWidth.Word, 1 << 3);
        Assert.False(_sci.IsHigh);
        Assert.Equal(0u, _events.ReadPort(Status, AccessWidth.Word) & 0xFFFF);
    }

    [Fact]
    public void Signal_BeforeItIsEnabled_InterruptsWhenItIs()
    {
        _events.Signal(12);
        Assert.False(_sci.IsHigh);

        _events.WritePort(Enable + 1, AccessWidth.Byte, 1 << 4);

        Assert.True(_sci.IsHigh);
    }

    [Fact]
    public void Status_ByteWritten_ClearsNothingOfTheOther()
    {
        _events.Signal(0);
        _events.Signal(8);

        _events.WritePort(Status + 1, AccessWidth.Byte, 0xFF);

        Assert.Equal(1u, _events.ReadPort(Status, AccessWidth.Word) & 0xFFFF);
    }
}
