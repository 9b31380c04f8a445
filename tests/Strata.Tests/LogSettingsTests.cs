using Microsoft.Extensions.Logging;

namespace Strata.Tests;

/// <summary>What `--log` understands.</summary>
public sealed class LogSettingsTests
{
    [Fact]
    public void Parse_Nothing_WantsWarningsOfEveryArea()
    {
        LogSettings settings = LogSettings.Parse([]);

        Assert.True(settings.IsEnabled("Strata.Virtio", LogLevel.Warning));
        Assert.False(settings.IsEnabled("Strata.Virtio", LogLevel.Information));
    }

    [Fact]
    public void Parse_AreaAndOthers_AreApart()
    {
        LogSettings settings = LogSettings.Parse(["disks=debug", "none", "virtio=info"]);

        Assert.True(settings.IsEnabled("Strata.Disks", LogLevel.Debug));
        Assert.True(settings.IsEnabled("Strata.Virtio", LogLevel.Information));
        Assert.False(settings.IsEnabled("Strata.Virtio", LogLevel.Debug));
        Assert.False(settings.IsEnabled("Strata.Agent", LogLevel.Critical));
    }

    [Theory]
    [InlineData("loud", "no log level \"loud\"; use trace")]
    [InlineData("disks=loud", "no log level \"loud\"")]
    [InlineData("disk=debug", "no log area \"disk\"; use machine")]
    [InlineData("", "no log level \"\"")]
    public void Parse_WhatThereIsNot_SaysWhatThereIs(string text, string message)
    {
        StrataException error = Assert.Throws<StrataException>(() => LogSettings.Parse([text]));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Areas_OfTheSettings_AreThoseThatReport()
    {
        string[] categories = [.. typeof(Core.Logging.LogAreas).GetFields().Select(field => (string)field.GetRawConstantValue()!).Order()];

        Assert.Equal(categories, LogSettings.Areas.Select(area => area.Category).Order());
    }

    [Fact]
    public void Areas_OfTheSettings_StandInTheDocumentation()
    {
        string document = File.ReadAllText(Path.Combine(Architecture.ProjectFile.FindRoot(), "docs", "logging.md"));

        Assert.All(LogSettings.Areas, area => Assert.Contains($"| `{area.Name}` | {area.Category} |", document, StringComparison.Ordinal));
    }
}
