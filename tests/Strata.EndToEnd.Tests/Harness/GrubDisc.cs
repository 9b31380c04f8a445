namespace Strata.EndToEnd.Tests.Harness;

/// <summary>Discs that start by GRUB on a BIOS, and on UEFI where the host has GRUB's modules for it.</summary>
internal static class GrubDisc
{
    /// <param name="folder">Where it is made.</param>
    /// <param name="menu">grub.cfg.</param>
    /// <param name="files">What lies in /boot, by its name there.</param>
    /// <returns>The ISO image's path.</returns>
    public static async Task<string> CreateAsync(
        TemporaryFolder folder, string menu, IReadOnlyDictionary<string, string> files, CancellationToken cancellationToken)
    {
        string root = folder.PathOf("grub-disc");
        Directory.CreateDirectory(Path.Combine(root, "boot/grub"));
        await File.WriteAllTextAsync(Path.Combine(root, "boot/grub/grub.cfg"), menu, cancellationToken);
        foreach ((string name, string path) in files)
        {
            File.Copy(path, Path.Combine(root, "boot", name));
        }

        string disc = folder.PathOf("grub.iso");
        await HostCommand.RunAsync("grub-mkrescue", ["-o", disc, root], cancellationToken);
        return disc;
    }
}
