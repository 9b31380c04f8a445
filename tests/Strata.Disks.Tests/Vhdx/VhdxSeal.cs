using System.Buffers.Binary;
using Strata.Disks.Vhdx;
using L = Strata.Disks.Vhdx.VhdxLayout;

namespace Strata.Disks.Tests.Vhdx;

/// <summary>Corrects the checksums of a VHDX file after its bytes were changed.</summary>
internal static class VhdxSeal
{
    public static void Renew(byte[] image)
    {
        foreach (int header in new[] { L.Header1Offset, L.Header2Offset })
        {
            VhdxChecksum.Put(image.AsSpan(header, L.HeaderLength));
        }

        foreach (int table in new[] { L.RegionTable1Offset, L.RegionTable2Offset })
        {
            VhdxChecksum.Put(image.AsSpan(table, L.TableLength));
        }

        // Our files have their log at 1 MB.
        for (int at = L.OneMegabyte; at < 2 * L.OneMegabyte; at += L.PageSize)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(at + L.EntryLength));
            if (image.AsSpan(at).StartsWith(L.LogEntrySignature)
                && length is >= L.PageSize and <= L.OneMegabyte
                && length % L.PageSize == 0)
            {
                VhdxChecksum.Put(image.AsSpan(at, (int)length));
            }
        }
    }
}
