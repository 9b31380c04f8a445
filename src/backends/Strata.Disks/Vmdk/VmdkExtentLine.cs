using System.Globalization;
using Strata.Disks.Images;

namespace Strata.Disks.Vmdk;

/// <summary>One extent of a descriptor, such as <c>RW 4192256 SPARSE "disk-s001.vmdk"</c>.</summary>
/// <param name="Access">RW, RDONLY or NOACCESS.</param>
/// <param name="Sectors">Size on the disk.</param>
/// <param name="Type">FLAT, SPARSE, ZERO, VMFS or another word.</param>
/// <param name="FileName">Empty for ZERO; untrusted.</param>
/// <param name="Offset">Where a flat extent's data starts in its file; sectors.</param>
internal sealed record VmdkExtentLine(string Access, long Sectors, string Type, string FileName, long Offset)
{
    /// <summary>Bounds every extent so that sums of all extents cannot overflow: 8 EiB / 1024 / 512.</summary>
    private const long MaximumSectors = 1L << 43;

    public static bool IsExtent(string line) => line.Split(' ', 2) is ["RW" or "RDONLY" or "NOACCESS", _];

    public static VmdkExtentLine Parse(string line, ImageFile file)
    {
        int quote = line.IndexOf('"', StringComparison.Ordinal);
        int endQuote = line.LastIndexOf('"');
        string[] words = (quote < 0 ? line : line[..quote]).Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        string rest = quote < 0 ? "" : line[(endQuote + 1)..].Trim();
        string name = quote < 0 || endQuote == quote ? "" : line[(quote + 1)..endQuote];
        long offset = 0;
        bool hasNumbers = words.Length >= 3 && TryParse(words[1], out _) && (rest.Length == 0 || TryParse(rest.Split(' ')[0], out offset));
        if (!hasNumbers || (name.Length == 0 && words[2] != "ZERO"))
        {
            throw file.Damaged("a line that describes an extent lacks its size, type, file or offset");
        }

        _ = TryParse(words[1], out long sectors);
        return new VmdkExtentLine(words[0], sectors, words[2], name, offset);
    }

    private static bool TryParse(string word, out long number) =>
        long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= MaximumSectors;
}
