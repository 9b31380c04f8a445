using Strata.Core.Input;
using Strata.Screens;

namespace Strata.Tests.Screens;

public sealed class KeyNamesTests
{
    [Theory]
    [InlineData('a', KeyCode.A, false)]
    [InlineData('A', KeyCode.A, true)]
    [InlineData('5', KeyCode.Digit5, false)]
    [InlineData('%', KeyCode.Digit5, true)]
    [InlineData('|', KeyCode.Backslash, true)]
    [InlineData('?', KeyCode.Slash, true)]
    [InlineData('"', KeyCode.Quote, true)]
    [InlineData(' ', KeyCode.Space, false)]
    [InlineData('\n', KeyCode.Enter, false)]
    public void OfCharacter_Written_IsItsKey(char character, KeyCode key, bool isShifted) =>
        Assert.Equal((key, isShifted), KeyNames.OfCharacter(character));

    [Fact]
    public void OfCharacter_EveryPrintableOne_HasAKey() =>
        Assert.All(Enumerable.Range(' ', '~' - ' ' + 1), code => Assert.NotEqual(KeyCode.None, KeyNames.OfCharacter((char)code).Key));

    [Fact]
    public void OfCharacter_Unknown_SaysWhich()
    {
        StrataException error = Assert.Throws<StrataException>(() => KeyNames.OfCharacter('ü'));

        Assert.Contains("U+00FC", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ctrl-alt-f2", KeyCode.ControlLeft, KeyCode.AltLeft, KeyCode.F2)]
    [InlineData("Enter", KeyCode.Enter)]
    [InlineData("-", KeyCode.Minus)]
    [InlineData("ctrl-C", KeyCode.ControlLeft, KeyCode.C)]
    [InlineData("pageup", KeyCode.PageUp)]
    [InlineData("7", KeyCode.Digit7)]
    public void ParseChord_Names_AreKeys(string chord, params KeyCode[] keys) => Assert.Equal(keys, KeyNames.ParseChord(chord));

    [Theory]
    [InlineData("")]
    [InlineData("ctrl-")]
    [InlineData("hyper-x")]
    [InlineData("none")]
    [InlineData("28")]
    public void ParseChord_NoKey_IsRefused(string chord) =>
        Assert.Equal(StrataError.BadInput, Assert.Throws<StrataException>(() => KeyNames.ParseChord(chord)).Error);
}
