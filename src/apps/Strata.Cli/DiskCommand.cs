using System.CommandLine;
using Strata.Cli.Disks;

namespace Strata.Cli;

/// <summary>`strata disk`: images without a machine.</summary>
internal static class DiskCommand
{
    public static Command Create() =>
        new DocumentedCommand("disk", "Make, inspect, convert and repair disk images: qcow2, raw, vmdk, vdi, vhd and vhdx.", """
        Examples:
          strata disk create root.qcow2 10G                                an empty disk that grows as it is written
          strata disk create work.qcow2 --backing root.qcow2               an overlay: root.qcow2 stays as it is
          strata disk convert root.qcow2 root.raw                          the plain bytes, with holes
          strata disk snapshot create root.qcow2 before-upgrade            a state to come back to
          strata run debian-tiny --disk work.qcow2                         use it
        """)
    {
        DiskCreateCommand.Create(),
        DiskInfoCommand.Create(),
        DiskConvertCommand.Create(),
        DiskCompareCommand.Create(),
        DiskCheckCommand.Create(),
        DiskResizeCommand.Create(),
        DiskCommitCommand.Create(),
        DiskRebaseCommand.Create(),
        DiskSnapshotCommand.Create(),
    };
}
