using System.Text;

namespace Strata.Tests;

public sealed class ConsoleTextTests
{
    private readonly ConsoleText _text = new(capacity: 10);

    [Fact]
    public void Find_TextInSeveralPieces_IsThePositionBehindIt()
    {
        Append("to l");
        long early = _text.Find("login:", 0);
        Append("og");
        Append("in: x");

        Assert.Equal(-1, early);
        Assert.Equal(9, _text.Find("login:", 0));
        Assert.Equal(9, _text.Find("login:", 3));
        Assert.Equal(-1, _text.Find("login:", 4));
    }

    [Fact]
    public void Find_BehindTheEnd_IsNone()
    {
        Append("abc");

        Assert.Equal(-1, _text.Find("c", 100));
        Assert.Equal(3, _text.Find("c", -5));
    }

    [Fact]
    public void Append_BeyondTwiceTheCapacity_DropsTheOldestAndKeepsPositions()
    {
        Append("0123456789");
        Append("abcdefghij");
        string full = _text.ToString();

        Append("!");

        Assert.Equal("0123456789abcdefghij", full);
        Assert.Equal("bcdefghij!", _text.ToString());
        Assert.Equal(21, _text.End);
        Assert.Equal(21, _text.Find("!", 0));
        Assert.Equal(-1, _text.Find("a", 0));
    }

    [Fact]
    public void Append_BytesAbove127_AreCharactersOfLatin1()
    {
        _text.Append([0xE9, 0xFF]);

        Assert.Equal("éÿ", _text.ToString());
    }

    private void Append(string text) => _text.Append(Encoding.Latin1.GetBytes(text));
}
