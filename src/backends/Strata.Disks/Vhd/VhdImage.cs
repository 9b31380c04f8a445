using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vhd.VhdLayout;

namespace Strata.Disks.Vhd;

/// <summary>
/// A VHD image, fixed or dynamic (*Virtual Hard Disk Image Format Specification*, version 1.0). Differencing ones are refused.
/// </summary>
public sealed class VhdImage : StoredImage
{
    private readonly VhdFooter _footer;
    private readonly VhdBlocks? _blocks;

    private VhdImage(ImageFile file, VhdFooter footer, ByteStore store)
        : base(file.Path, file.IsReadOnly, store)
    {
        _footer = footer;
        _blocks = store as VhdBlocks;
    }

    /// <inheritdoc/>
    public override string Format => "vhd";

    /// <summary>
    /// Whether a file that starts and ends so is a VHD image. A fixed one shows it only at its end, which lies outside the guest's
    /// disk: callers that guess formats must not take a plain disk for a VHD because its guest wrote such a sector.
    /// </summary>
    /// <param name="firstBytes">The first 8 bytes of the file or more.</param>
    /// <param name="lastSector">The last 512 bytes of the file.</param>
    public static bool Probe(ReadOnlySpan<byte> firstBytes, ReadOnlySpan<byte> lastSector) =>
        VhdFooter.HasCookie(firstBytes) || VhdFooter.HasCookie(lastSector);

    /// <summary>Creates an image that reads as zeros. The file must not exist.</summary>
    /// <param name="sizeInBytes">A positive multiple of 512, at most 2040 GiB.</param>
    /// <exception cref="DiskImageException">It cannot be created.</exception>
    public static void Create(string path, long sizeInBytes, VhdOptions? options = null)
    {
        DiskRange.CheckNewSize(path, sizeInBytes, VhdFooter.MaximumSize);
        bool isFixed = options?.Fixed ?? false;
        ImageFile.Create(path, file =>
        {
            if (isFixed)
            {
                file.Write(sizeInBytes, new VhdFooter(L.TypeFixed, sizeInBytes, ulong.MaxValue).ToBytes());
            }
            else
            {
                FillDynamic(file, sizeInBytes);
            }
        });
    }

    /// <exception cref="DiskImageException">It is missing, damaged, in use, or of a kind that is not served.</exception>
    public static VhdImage Open(string path, bool readOnly = false) => Open(ImageFile.Open(path, readOnly));

    /// <inheritdoc/>
    public override DiskImageInfo Describe() => new()
    {
        Format = Format,
        Subformat = _blocks is null ? "fixed" : "dynamic",
        VirtualSize = _footer.Size,
        ClusterSize = _blocks?.BlockSize,
        IsDirty = _blocks?.FooterIsMissing ?? false,
    };

    /// <inheritdoc/>
    public override DiskCheckReport Check(bool repair) => _blocks?.Check(repair) ?? new DiskCheckReport();

    internal static VhdImage Open(ImageFile file)
    {
        try
        {
            return Read(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static VhdImage Read(ImageFile file)
    {
        byte[] last = new byte[L.FooterLength];
        file.ReadStructure(file.Length - L.FooterLength, last, "footer");
        byte[] footer = last;
        bool missing = !VhdFooter.IsValid(last);
        if (missing)
        {
            // A run that stopped while the file grew. A fixed image has no copy: its first sector is the guest's.
            footer = new byte[L.FooterLength];
            file.ReadStructure(0, footer, "copy of the footer");
            if (!VhdFooter.IsValid(footer))
            {
                throw VhdFooter.HasCookie(last) || VhdFooter.HasCookie(footer)
                    ? file.Damaged("its footer does not match its checksum")
                    : file.Unsupported("it has no VHD footer", "name its real format");
            }
        }

        VhdFooter facts = VhdFooter.Parse(footer, file);
        if (facts.DiskType == L.TypeDynamic)
        {
            return new VhdImage(file, facts, new VhdBlocks(file, facts, VhdDynamicHeader.Read(facts, file), footer, missing));
        }

        if (missing)
        {
            throw file.Damaged("its footer is missing and its first sector claims to be one");
        }

        return new VhdImage(file, facts, new FlatStore(file, 0, facts.Size));
    }

    private static void FillDynamic(ImageFile file, long size)
    {
        byte[] footer = new VhdFooter(L.TypeDynamic, size, L.FooterLength).ToBytes();
        VhdDynamicHeader header = VhdDynamicHeader.ForNew(size);
        byte[] table = new byte[header.TableLength];
        table.AsSpan().Fill(0xFF);
        file.Write(0, footer);
        file.Write(L.FooterLength, header.ToBytes());
        file.Write(header.TableOffset, table);
        file.Write(header.TableOffset + table.Length, footer);
    }
}
