using System.Text.Json;

namespace Strata.Tests;

public sealed class EngineTests
{
    [Fact]
    public void Serialize_Engine_IsItsName() => Assert.Equal("\"translator\"", JsonSerializer.Serialize(Engine.Translator));

    [Fact]
    public void Deserialize_NameOfAnotherVersion_IsKept() =>
        Assert.Equal(new Engine("direct"), JsonSerializer.Deserialize<Engine>("\"direct\""));

    [Theory]
    [InlineData("\"\"")]
    [InlineData("7")]
    [InlineData("\"a-name-that-is-much-longer-than-names-of-engines\"")]
    public void Deserialize_NoName_IsRefused(string json) => Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<Engine>(json));
}
