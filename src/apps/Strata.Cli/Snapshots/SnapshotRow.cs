using System.Globalization;
using Strata.Control;
using Strata.Snapshots;

namespace Strata.Cli.Snapshots;

/// <summary>A snapshot in a list, in the form that programs read.</summary>
/// <param name="Machine">Whose it is.</param>
/// <param name="Created">UTC; null if it cannot be read.</param>
/// <param name="MemoryStored">Bytes of memory that it has for itself.</param>
/// <param name="DisksStored">The same of disks.</param>
/// <param name="Problem">Why it cannot be used; null if it can.</param>
internal sealed record SnapshotRow(
    string Machine, string Name, DateTime? Created, string? Parent, string? Engine, long MemoryStored, long DisksStored,
    string? Description, string? Problem)
{
    public static SnapshotRow Of(SnapshotSummary summary) => new(
        summary.Machine, summary.Name, summary.Created, summary.Parent, summary.Engine, summary.MemoryStored, summary.DisksStored,
        summary.Description, summary.Problem);

    /// <summary>What making one took, in milliseconds and bytes.</summary>
    public static SnapshotTimes Of(SnapshotReport report) => new SnapshotTimes(
        report.Name, report.Pause.TotalMilliseconds, report.Duration.TotalMilliseconds, report.MemoryStored, report.DisksStored);

    public string ToLine()
    {
        if (Problem is not null)
        {
            return $"{Machine,-12} {Name,-20} cannot be used: {Printable.Text(Problem)}";
        }

        string created = Created!.Value.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        return $"{Machine,-12} {Name,-20} {created}  {ByteSize.Format(MemoryStored + DisksStored),-10}  " +
            $"{Printable.Text(Description ?? string.Empty)}".TrimEnd();
    }

    public static string Describe(SnapshotDetails details)
    {
        SnapshotSummary summary = details.Summary;
        List<string> lines =
        [
            $"machine      {summary.Machine}",
            $"snapshot     {summary.Name}",
            $"made         {summary.Created:yyyy-MM-dd HH:mm:ss} UTC by Strata {details.Version}, on the engine {summary.Engine}",
            $"behind       {summary.Parent ?? "no other snapshot"}",
            string.Create(CultureInfo.InvariantCulture, $"ran for      {details.GuestTime / 1e9:F3} s"),
            $"memory       {ByteSize.Format((long)details.MemorySize)}, of which {ByteSize.Format(summary.MemoryStored)} stored here, in " +
            $"{details.Layers} layers",
            $"processors   {details.Processors}",
            $"code         {(details.CodeStored == 0 ? "none kept" : ByteSize.Format(details.CodeStored) + " of translations")}",
            $"units        {string.Join(' ', details.Units)}",
        ];
        lines.AddRange(details.Disks.Select((disk, index) => $"disk {index}       {Printable.Text(disk)}"));
        if (summary.Description is { } description)
        {
            lines.Add($"description  {Printable.Text(description)}");
        }

        return string.Join('\n', lines);
    }
}

/// <summary>What making a snapshot took, in the form that programs read.</summary>
internal sealed record SnapshotTimes(
    string Name, double PauseMilliseconds, double DurationMilliseconds, long MemoryStored, long DisksStored);
