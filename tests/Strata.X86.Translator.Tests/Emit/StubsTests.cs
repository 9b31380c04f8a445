using Strata.X86.Translator.Emit;

namespace Strata.X86.Translator.Tests.Emit;

/// <summary>The stubs have a fixed room in front of translated code. Every translator checks its own when it is made.</summary>
public sealed class StubsTests
{
    [Fact]
    public void CheckSize_OfStubsThatFillTheirRoom_Passes() => Stubs.CheckSize(Stubs.Size);

    [Fact]
    public void CheckSize_OfStubsBeyondTheirRoom_ThrowsAndSaysWhatToRaise()
    {
        InvalidOperationException error = Assert.Throws<InvalidOperationException>(() => Stubs.CheckSize(Stubs.Size + 1));

        Assert.Contains("Stubs.Size", error.Message, StringComparison.Ordinal);
    }
}
