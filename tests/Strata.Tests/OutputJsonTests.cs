using System.Text.Json;
using Strata.Cli;
using Strata.Control;
using Strata.Networking.Nat;
using Strata.Verification;

namespace Strata.Tests;

public sealed class OutputJsonTests
{
    [Fact]
    public void ToJson_OfAMachine_NamesTheEnumerationInLowerCaseAndLeavesOutNulls()
    {
        IReadOnlyList<MachineDescription> machines =
        [
            new() { Name = "web", Image = "debian", Forwards = [new MachineForward(TransportProtocol.Udp, "127.0.0.1", 5353, 53)] },
        ];

        JsonElement machine = JsonDocument.Parse(OutputOption.ToJson(machines, leaveOutNulls: true)).RootElement[0];

        Assert.Equal("udp", machine.GetProperty("forwards")[0].GetProperty("protocol").GetString());
        Assert.Equal(5353, machine.GetProperty("forwards")[0].GetProperty("hostPort").GetInt32());
        Assert.False(machine.TryGetProperty("engine", out _));
    }

    [Fact]
    public void ToJson_OfAnImage_KeepsNullsAndUmlauts()
    {
        List<ImageRow> images = [new("debian", "Größe", IsCached: false, Bytes: 0, Built: null, "/images")];

        string json = OutputOption.ToJson(images, leaveOutNulls: false);

        Assert.Contains("\"built\": null", json, StringComparison.Ordinal);
        Assert.Contains("Größe", json, StringComparison.Ordinal);
    }

    [Fact]
    public void VerificationJson_OfADivergence_WritesRegistersAsHexadecimalText()
    {
        Divergence divergence = new()
        {
            Before = 7,
            After = 8,
            Processor = 0,
            Registers = [new RegisterDifference("RAX", 0, ulong.MaxValue, 16)],
            Others = [],
            State = [],
            Code = [],
        };
        VerificationResult result = new(8, 1, 0, new MachineExit(MachineExitReason.PowerOff, 0, "off"), divergence);

        JsonElement json = JsonDocument.Parse(JsonSerializer.Serialize(result, VerificationJson.Default.VerificationResult)).RootElement;

        JsonElement register = json.GetProperty("divergence").GetProperty("registers")[0];
        Assert.Equal("0xffffffffffffffff", register.GetProperty("expected").GetString());
        Assert.Equal("0x10", register.GetProperty("actual").GetString());
        Assert.Equal("PowerOff", json.GetProperty("exit").GetProperty("reason").GetString());
        Assert.True(json.GetProperty("divergence").GetProperty("isExact").GetBoolean());
    }
}
