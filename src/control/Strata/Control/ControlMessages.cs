using System.Text.Json;
using System.Text.Json.Serialization;
using Strata.Snapshots;

namespace Strata.Control;

/// <summary>What is asked of a machine; one request a connection.</summary>
internal sealed record ControlRequest
{
    public int Version { get; init; } = ControlFrame.Version;

    public required ControlOperation Operation { get; init; }

    /// <summary>For <see cref="ControlOperation.Connect"/>: the port in the guest.</summary>
    public uint? Port { get; init; }

    /// <summary>For <see cref="ControlOperation.Engine"/>: the engine to go to.</summary>
    public Engine? Engine { get; init; }

    /// <summary>For <see cref="ControlOperation.Snapshot"/> and <see cref="ControlOperation.Suspend"/>: what to make.</summary>
    public SnapshotRequest? Snapshot { get; init; }

    /// <summary>For <see cref="ControlOperation.Type"/>: what to type; null for <see cref="Keys"/>.</summary>
    public string? Text { get; init; }

    /// <summary>For <see cref="ControlOperation.Type"/>: keys to press together.</summary>
    public string? Keys { get; init; }

    /// <summary>For <see cref="ControlOperation.ChangeMedium"/>: what to do.</summary>
    public MediumChange? Medium { get; init; }

    /// <summary>For <see cref="ControlOperation.RollBack"/>: the name of the snapshot.</summary>
    public string? Name { get; init; }
}

/// <summary>Operations of the control protocol, by their names in JSON.</summary>
internal enum ControlOperation
{
    /// <summary>What the machine is.</summary>
    Describe,

    /// <summary>A stream to a port of the guest (AF_VSOCK).</summary>
    Connect,

    /// <summary>A stream to the console, beside the machine's own terminal.</summary>
    Console,

    /// <summary>Move to another engine.</summary>
    Engine,

    /// <summary>Which engine runs, and why.</summary>
    Explain,

    /// <summary>Processors, interrupts and devices in detail.</summary>
    Inspect,

    /// <summary>What was started, in a form that can be started again.</summary>
    Spec,

    /// <summary>Save the machine, which goes on.</summary>
    Snapshot,

    /// <summary>Save the machine and end it.</summary>
    Suspend,

    /// <summary>Go back to a snapshot.</summary>
    RollBack,

    /// <summary>A moment for clones to begin at, which is kept until the asker hangs up.</summary>
    ForkPoint,

    /// <summary>What a text mode shows.</summary>
    ScreenText,

    /// <summary>What shows, as a PNG file: a stream.</summary>
    ScreenPicture,

    /// <summary>Type a text, or press keys.</summary>
    Type,

    /// <summary>Which drives there are, and what is in them.</summary>
    Drives,

    /// <summary>Put another medium into a drive, or none.</summary>
    ChangeMedium,

    /// <summary>Press the power button.</summary>
    PowerButton,

    /// <summary>Wake a guest that sleeps.</summary>
    Wake,

    /// <summary>Press the reset button.</summary>
    Reset,

    /// <summary>Pull the plug.</summary>
    Quit,

    /// <summary>Wait for the machine's end.</summary>
    Wait,

    /// <summary>Wait until its process has let go of it: the connection ends when its disks are closed and its name is free.</summary>
    Release,
}

/// <summary>The answer: a failure, or what the operation gives.</summary>
internal sealed record ControlReply
{
    public int Version { get; init; } = ControlFrame.Version;

    public ControlFailure? Failure { get; init; }

    public MachineDescription? Machine { get; init; }

    public EngineSwitch? Switch { get; init; }

    public EngineReport? Explanation { get; init; }

    public MachineInspection? Inspection { get; init; }

    /// <summary>A <see cref="MachineSpec"/>, as docs/formats/machine-spec.md has it.</summary>
    public JsonElement? Spec { get; init; }

    public MachineExit? Exit { get; init; }

    public SnapshotReport? Snapshot { get; init; }

    /// <summary>For <see cref="ControlOperation.ScreenText"/>: what shows; null where there is no text.</summary>
    public string? Text { get; init; }

    /// <summary>For <see cref="ControlOperation.Drives"/>.</summary>
    public IReadOnlyList<RemovableDrive>? Drives { get; init; }

    /// <summary>For <see cref="ControlOperation.ForkPoint"/>: the folder of the snapshot.</summary>
    public string? Folder { get; init; }

    /// <summary>For <see cref="ControlOperation.ForkPoint"/>: the snapshot's name.</summary>
    public string? Name { get; init; }

    /// <summary>How long the machine stood still, in milliseconds.</summary>
    public double? PauseMilliseconds { get; init; }
}

/// <param name="IsRefused">Nothing listens on the guest's port: trying again later makes sense.</param>
internal sealed record ControlFailure(StrataError Error, string Message, bool IsRefused = false);

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    MaxDepth = 16)]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlReply))]
internal sealed partial class ControlJson : JsonSerializerContext
{
    public static ControlFrame Write(ControlRequest request) =>
        new(ControlFrameType.Message, JsonSerializer.SerializeToUtf8Bytes(request, Default.ControlRequest));

    public static ControlFrame Write(ControlReply reply) =>
        new(ControlFrameType.Message, JsonSerializer.SerializeToUtf8Bytes(reply, Default.ControlReply));

    /// <exception cref="ControlProtocolException">The frame is no request of this version.</exception>
    public static ControlRequest ReadRequest(ControlFrame frame)
    {
        CheckVersion(frame);
        try
        {
            return JsonSerializer.Deserialize(frame.Payload.Span, Default.ControlRequest)
                ?? throw new ControlProtocolException("null for a request");
        }
        catch (JsonException error)
        {
            throw new ControlProtocolException($"The request cannot be read: {error.Message}", error);
        }
    }

    /// <exception cref="ControlProtocolException">The frame is no reply of this version.</exception>
    public static ControlReply ReadReply(ControlFrame frame)
    {
        CheckVersion(frame);
        try
        {
            return JsonSerializer.Deserialize(frame.Payload.Span, Default.ControlReply)
                ?? throw new ControlProtocolException("null for a reply");
        }
        catch (JsonException error)
        {
            throw new ControlProtocolException($"The reply cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Before anything else is read: another version's message may have another form.</summary>
    private static void CheckVersion(ControlFrame frame)
    {
        if (frame.Type != ControlFrameType.Message)
        {
            throw new ControlProtocolException($"a frame '{(char)frame.Type}' for a message");
        }

        int version;
        try
        {
            using JsonDocument document = JsonDocument.Parse(
                frame.Payload, new JsonDocumentOptions { MaxDepth = Default.Options.MaxDepth });
            version = document.RootElement is { ValueKind: JsonValueKind.Object } root
                && root.TryGetProperty("version", out JsonElement element)
                && element.ValueKind == JsonValueKind.Number
                && element.TryGetInt32(out int number) ? number : 0;
        }
        catch (JsonException error)
        {
            throw new ControlProtocolException($"The message is no JSON of the control protocol: {error.Message}", error);
        }

        if (version != ControlFrame.Version)
        {
            throw new ControlProtocolException($"version {version} of the control protocol, not {ControlFrame.Version}");
        }
    }
}
