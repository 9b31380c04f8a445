using System.CommandLine;
using System.Globalization;
using Strata.Control;

namespace Strata.Cli.Disks;

/// <summary>`strata disk snapshot`.</summary>
internal static class DiskSnapshotCommand
{
    public static Command Create() =>
        new DocumentedCommand("snapshot", "Keep, list and go back to states of a disk, inside its qcow2 image.", """
        A machine that uses the image must be stopped. A snapshot has the disk's content, not the machine's memory.

        Examples:
          strata disk snapshot create root.qcow2 before-upgrade
          strata disk snapshot apply root.qcow2 before-upgrade
        """)
    {
        CreateList(),
        CreateChange("create", "Keep the disk's present content under a name.", DiskTool.CreateSnapshot),
        CreateChange(
            "apply", "Make the disk what it was when a snapshot was taken; what was written since is lost.", DiskTool.ApplySnapshot),
        CreateChange("delete", "Forget a snapshot and free what only it used.", DiskTool.DeleteSnapshot),
    };

    public static void Print(IReadOnlyList<DiskSnapshot> snapshots)
    {
        foreach (DiskSnapshot snapshot in snapshots)
        {
            string created = snapshot.Created.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
            Console.WriteLine(
                $"{Printable.Text(snapshot.Id),4}  {created}  {ByteSize.Format(snapshot.VirtualSize),-10}  " +
                $"{Printable.Text(snapshot.Name)}");
        }
    }

    private static DocumentedCommand CreateList()
    {
        Argument<string> image = DiskArguments.Image();
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new(
            "list", "List the snapshots, oldest first.", "Example: strata disk snapshot list root.qcow2 --output json") { image, output };
        command.SetAction(result => DiskArguments.Run(() =>
        {
            bool json = OutputOption.IsJson(result, output);
            IReadOnlyList<DiskSnapshot> snapshots = DiskTool.ListSnapshots(result.GetValue(image)!);
            if (json)
            {
                OutputOption.WriteJson(snapshots);
            }
            else
            {
                Print(snapshots);
            }

            return ExitCodes.Success;
        }));
        return command;
    }

    private static DocumentedCommand CreateChange(string verb, string description, Action<string, string> change)
    {
        Argument<string> image = DiskArguments.Image();
        Argument<string> name = new("name") { Description = "Name of the snapshot." };
        DocumentedCommand command = new(
            verb, description, $"Example: strata disk snapshot {verb} root.qcow2 before-upgrade") { image, name };
        command.SetAction(result => DiskArguments.Run(() =>
        {
            change(result.GetValue(image)!, result.GetValue(name)!);
            return ExitCodes.Success;
        }));
        return command;
    }
}
