using System.Text.Json.Serialization;
using Strata.Cli.Disks;
using Strata.Cli.Machines;
using Strata.Cli.Snapshots;

namespace Strata.Cli;

/// <summary>The types that commands write as JSON and that are their own; those of the library are known to it.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(List<ImageRow>))]
[JsonSerializable(typeof(DiskComparison))]
[JsonSerializable(typeof(EngineChoice))]
[JsonSerializable(typeof(List<SnapshotRow>))]
[JsonSerializable(typeof(SnapshotTimes))]
internal sealed partial class CommandJson : JsonSerializerContext;
