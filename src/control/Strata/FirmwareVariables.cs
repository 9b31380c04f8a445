using Strata.Disks;
using Strata.Disks.Images;

namespace Strata;

/// <summary>
/// The file that keeps the variables of UEFI firmware: a flash chip's bytes, as other monitors have them too. UEFI Platform
/// Initialization Specification 1.8, volume 3, "Firmware Volume Header".
/// </summary>
internal static class FirmwareVariables
{
    private const int HeaderLengthPlace = 48;
    private const int StoreHeader = 22; // of the variable store behind: what kind, how large, formatted, healthy
    private const int EraseBlock = 4096;

    /// <summary>Where variables of machines with a name are kept that say no file.</summary>
    /// <exception cref="StrataException">The user has no home.</exception>
    public static string PathOf(string machine) => Path.Combine(UserFolders.Data, "strata", "firmware", $"{machine}.fd");

    /// <summary>Opens a file of variables; one that does not exist is made.</summary>
    /// <param name="template">What variables begin with.</param>
    /// <exception cref="StrataException">The file cannot be used; it was left as it is.</exception>
    public static (DiskImage Store, byte[] Content) Open(string path, byte[] template)
    {
        DiskImage? store = null;
        try
        {
            if (Directory.Exists(path))
            {
                throw Refuse(path, "it is a folder, and they are kept in a file");
            }

            if (!File.Exists(path))
            {
                Create(path, template);
            }

            long size = new FileInfo(path).Length;
            if (size != template.Length)
            {
                throw Refuse(path, size < template.Length
                    ? $"it has {size:N0} bytes of {template.Length:N0}: it is cut off, or of another firmware"
                    : $"it has {size:N0} bytes and not {template.Length:N0}: it is of another firmware, or no such file");
            }

            store = DiskImages.Open(path, new DiskOpenOptions { Format = "raw" });
            byte[] content = new byte[template.Length];
            store.Read(0, content);
            return IsWhole(content, template)
                ? (store, content)
                : throw Refuse(path, "where its header should be is something else: it is damaged, or of another firmware");
        }
        catch (Exception error)
        {
            store?.Dispose();
            throw error is IOException or UnauthorizedAccessException ? Refuse(path, error.Message.TrimEnd('.')) : error;
        }
    }

    /// <summary>
    /// The header is the same in all of one firmware. It is gone for a moment when firmware tidies up, which it finishes at its next start.
    /// </summary>
    private static bool IsWhole(ReadOnlySpan<byte> content, ReadOnlySpan<byte> template)
    {
        int header = BitConverter.ToUInt16(template[HeaderLengthPlace..]) + StoreHeader;
        bool isErased = !content[..EraseBlock].ContainsAnyExcept((byte)0xFF);
        return content[..header].SequenceEqual(template[..header]) || (isErased && content.ContainsAnyExcept((byte)0xFF));
    }

    private static void Create(string path, byte[] template)
    {
        string draft = $"{path}.{Guid.NewGuid():N}";
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.WriteAllBytes(draft, template);
        File.Move(draft, path);
    }

    private static StrataException Refuse(string path, string why) => new(
        StrataError.BadInput,
        $"The firmware's variables in {path} cannot be used: {why}. The file was left as it is: put a copy back, or move it away, and a " +
        $"new one is made.");
}
