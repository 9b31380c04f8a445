namespace Strata.Tests;

/// <summary>Where a value ends and its options begin.</summary>
public sealed class OptionListTests
{
    [Theory]
    [InlineData("", new[] { "" })]
    [InlineData("a", new[] { "a" })]
    [InlineData("a,b=1,c", new[] { "a", "b=1", "c" })]
    [InlineData("a,", new[] { "a", "" })]
    [InlineData("a,,b", new[] { "a,b" })]
    [InlineData("a,,,b", new[] { "a,", "b" })]
    [InlineData("a,,,,b", new[] { "a,,b" })]
    [InlineData("a,b=x,,y,c", new[] { "a", "b=x,y", "c" })]
    [InlineData(",,", new[] { "," })]
    public void Split_Text_SeparatesAtSingleCommas(string text, string[] parts) => Assert.Equal(parts, OptionList.Split(text));
}
