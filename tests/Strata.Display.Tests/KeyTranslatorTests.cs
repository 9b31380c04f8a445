using Strata.Core.Input;
using Strata.Display.Keys;

namespace Strata.Display.Tests;

/// <summary>Keys by their meaning, on a guest's keyboard of the United States.</summary>
public sealed class KeyTranslatorTests
{
    private const uint Shift = 0xFFE1;
    private const uint AltGr = 0xFE03;
    private const uint CapsLock = 0xFFE5;

    public static TheoryData<uint[], string> Cases => new()
    {
        { ['a'], "+A" },
        { [Shift, 'A'], "+ShiftLeft +A" },
        { ['A'], "+ShiftLeft +A -ShiftLeft" }, // Caps Lock of the client's own
        { [CapsLock, 'A'], "+CapsLock +A" },
        { [CapsLock, 'a'], "+CapsLock +ShiftLeft +A -ShiftLeft" },
        { [Shift, '/'], "+ShiftLeft -ShiftLeft +Slash +ShiftLeft" }, // a German 7
        { [AltGr, '@'], "+AltRight -AltRight +ShiftLeft +Digit2 -ShiftLeft +AltRight" },
        { [Shift, ' '], "+ShiftLeft +Space" },
        { [0xFFE3, 0xFFE9, 0xFFFF], "+ControlLeft +AltLeft +Delete" },
        { [0xFFE3, 0xFFE9, 0x1008FE02], "+ControlLeft +AltLeft +F2" },
        { [0x0100_0041], "+ShiftLeft +A -ShiftLeft" },
        { [0xE4], "" }, // no such key
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Translate_SymbolsPressed_PressesTheKeysThatMakeThem(uint[] symbols, string expected)
    {
        KeyTranslator keys = new();
        List<KeyChange> changes = [];

        foreach (uint symbol in symbols)
        {
            keys.Translate(symbol, pressed: true, changes);
        }

        Assert.Equal(expected, string.Join(' ', changes.Select(change => $"{(change.Pressed ? '+' : '-')}{change.Key}")));
    }

    [Fact]
    public void Translate_EveryCharacter_IsReleasedByTheSameKey()
    {
        for (uint symbol = ' '; symbol <= '~'; symbol++)
        {
            KeyTranslator keys = new();
            List<KeyChange> changes = [];

            keys.Translate(symbol, pressed: true, changes);
            keys.Translate(symbol, pressed: false, changes);

            Assert.Empty(keys.Held);
            Assert.Equal(changes.Count(change => change.Pressed), changes.Count(change => !change.Pressed));
        }
    }

    [Fact]
    public void Press_ReleaseWithoutPress_SaysNothing()
    {
        List<KeyChange> changes = [];

        new KeyTranslator().Press(KeyCode.A, pressed: false, changes);

        Assert.Empty(changes);
    }
}
