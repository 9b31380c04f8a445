using System.Text.Json;
using System.Text.Json.Serialization;

namespace Strata.Networking.NamedSwitches;

/// <summary>What a process wants of a switch; the first message of a connection.</summary>
internal sealed record SwitchRequest
{
    /// <summary>Of the messages. Raised when an older side would misunderstand a newer one.</summary>
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>The machine that wants a port; null where only a description is asked for.</summary>
    public SwitchJoin? Join { get; init; }
}

/// <summary>A machine that wants a port.</summary>
internal sealed record SwitchJoin
{
    public required string Machine { get; init; }

    /// <summary>Whether the machine expects a switch without a way out.</summary>
    public bool Isolated { get; init; }

    /// <summary>The card's address.</summary>
    public required string Mac { get; init; }

    /// <summary>The IPv4 address that the guest had on an earlier host of the switch, or null.</summary>
    public string? Address { get; init; }

    /// <summary>1..4094.</summary>
    public int Vlan { get; init; } = 1;

    /// <summary>Each way.</summary>
    public double DelayMilliseconds { get; init; }

    /// <summary>The share of frames that is lost each way, 0..1.</summary>
    public double Loss { get; init; }

    /// <summary>Each way; 0 for no limit.</summary>
    public long BytesPerSecond { get; init; }
}

/// <summary>The answer to a request.</summary>
internal sealed record SwitchReply
{
    public int Version { get; init; } = SwitchRequest.CurrentVersion;

    /// <summary>A sentence that says why there is no port; null if there is one.</summary>
    public string? Refusal { get; init; }

    /// <summary>The refusal is because of a machine that may be about to leave: it makes sense to ask again.</summary>
    public bool IsPassing { get; init; }

    /// <summary>The switch, for who asked for it; its ports follow in a message each.</summary>
    public NamedSwitchDescription? Description { get; init; }

    /// <summary>How many ports follow.</summary>
    public int PortCount { get; init; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, MaxDepth = 8)]
[JsonSerializable(typeof(SwitchRequest))]
[JsonSerializable(typeof(SwitchReply))]
[JsonSerializable(typeof(NamedSwitchPortDescription))]
internal sealed partial class SwitchJson : JsonSerializerContext
{
    /// <summary>The message that says it.</summary>
    public static byte[] Write(SwitchRequest request) =>
        [SwitchMessage.Text, .. JsonSerializer.SerializeToUtf8Bytes(request, Default.SwitchRequest)];

    /// <inheritdoc cref="Write(SwitchRequest)"/>
    public static byte[] Write(SwitchReply reply) =>
        [SwitchMessage.Text, .. JsonSerializer.SerializeToUtf8Bytes(reply, Default.SwitchReply)];

    /// <inheritdoc cref="Write(SwitchRequest)"/>
    public static byte[] Write(NamedSwitchPortDescription port) =>
        [SwitchMessage.Text, .. JsonSerializer.SerializeToUtf8Bytes(port, Default.NamedSwitchPortDescription)];

    /// <returns>Null for a message that is none of these.</returns>
    public static SwitchRequest? ReadRequest(ReadOnlySpan<byte> message) => Read(message, Default.SwitchRequest);

    /// <inheritdoc cref="ReadRequest"/>
    public static SwitchReply? ReadReply(ReadOnlySpan<byte> message) => Read(message, Default.SwitchReply);

    /// <inheritdoc cref="ReadRequest"/>
    public static NamedSwitchPortDescription? ReadPort(ReadOnlySpan<byte> message) => Read(message, Default.NamedSwitchPortDescription);

    private static T? Read<T>(ReadOnlySpan<byte> message, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        if (message.Length > SwitchMessage.LargestText || message is not [SwitchMessage.Text, ..])
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize(message[1..], type);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
