using System.Globalization;
using System.Text;
using Strata.Disks.Images;

namespace Strata.Disks.Vmdk;

/// <summary>
/// The text that describes a disk: its kind, its identity and its extents (*Virtual Disk Format 5.0*, "The Descriptor File").
/// </summary>
internal sealed class VmdkDescriptor
{
    /// <summary>Bytes of the longest text that is read; VMware's hold a few hundred.</summary>
    public const int MaximumLength = 1 << 20;

    private const int MaximumExtents = 1024;
    private const int LongestType = 40;
    private const string NoParent = "ffffffff";

    private readonly List<VmdkExtentLine> _extents = [];

    private VmdkDescriptor()
    {
    }

    /// <summary>The kind of image, such as monolithicSparse: what the text says, if it is a word.</summary>
    public string CreateType { get; private set; } = "unknown";

    public IReadOnlyList<VmdkExtentLine> Extents => _extents;

    /// <summary>Where the eight digits of the content identifier start in the text; bytes; negative when there are none.</summary>
    public int ContentIdOffset { get; private set; } = -1;

    public static bool IsDescriptor(ReadOnlySpan<byte> text) => text.StartsWith("# Disk DescriptorFile"u8);

    /// <summary>The text of a new disk.</summary>
    /// <param name="extentType">SPARSE or FLAT.</param>
    public static byte[] Create(string createType, long sectors, string extentType, string extentName)
    {
        if (extentName.AsSpan().IndexOfAnyInRange('\0', '\x1F') >= 0 || extentName.Contains('"', StringComparison.Ordinal))
        {
            throw new DiskImageException($"A VMDK descriptor cannot name the file {extentName}; choose a name without quotation marks.");
        }

        string cylinders = Math.Min(sectors / (16 * 63), 16383).ToString(CultureInfo.InvariantCulture);
        string offset = extentType == "FLAT" ? " 0" : "";
        return Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"""
            # Disk DescriptorFile
            version=1
            encoding="UTF-8"
            CID={NewContentId()}
            parentCID={NoParent}
            createType="{createType}"

            # Extent description
            RW {sectors} {extentType} "{extentName}"{offset}

            # The Disk Data Base
            #DDB

            ddb.virtualHWVersion = "4"
            ddb.geometry.cylinders = "{cylinders}"
            ddb.geometry.heads = "16"
            ddb.geometry.sectors = "63"
            ddb.adapterType = "ide"

            """));
    }

    /// <summary>Eight hexadecimal digits; never those that stand for no parent.</summary>
    public static string NewContentId() => (Random.Shared.NextInt64(0xFFFF_FFFE) + 1).ToString("x8", CultureInfo.InvariantCulture);

    /// <param name="text">Ends at the first zero byte.</param>
    public static VmdkDescriptor Parse(ReadOnlySpan<byte> text, ImageFile file)
    {
        int end = text.IndexOf((byte)0);
        text = end < 0 ? text : text[..end];
        VmdkDescriptor descriptor = new();
        foreach (Range range in text.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = text[range].TrimEnd((byte)'\r');
            if (line.StartsWith("CID="u8) && line.Length == "CID=".Length + NoParent.Length)
            {
                descriptor.ContentIdOffset = range.Start.Value + "CID=".Length;
            }

            descriptor.AddLine(Encoding.UTF8.GetString(line).Trim(), file);
        }

        return descriptor;
    }

    private void AddLine(string line, ImageFile file)
    {
        if (line.Length == 0 || line[0] == '#')
        {
            return;
        }

        if (VmdkExtentLine.IsExtent(line))
        {
            if (_extents.Count == MaximumExtents)
            {
                throw file.Unsupported($"it has more than {MaximumExtents:N0} extents", "convert it to a single extent");
            }

            _extents.Add(VmdkExtentLine.Parse(line, file));
            return;
        }

        (string name, string value) = Split(line);
        switch (name)
        {
            case "parentCID" when !value.Equals(NoParent, StringComparison.OrdinalIgnoreCase):
                throw file.Unsupported("it holds only the differences to a parent image", "merge the snapshots into an image of its own");
            case "createType":
                string type = value.Trim('"');
                CreateType = type.Length <= LongestType && type.All(char.IsAsciiLetterOrDigit) ? type : "unknown";
                break;
            default:
                break;
        }
    }

    private static (string Name, string Value) Split(string line)
    {
        int equals = line.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? (line, "") : (line[..equals].Trim(), line[(equals + 1)..].Trim());
    }
}
