using System.Buffers.Binary;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vhdx.VhdxLayout;

namespace Strata.Disks.Vhdx;

/// <summary>
/// Writes log entries. What an entry says is stored in its place and durable before the next entry begins, so each is a sequence of
/// its own: its tail is its own start. The entry before it stays whole until the new one is. Used by one thread at a time.
/// </summary>
internal sealed class VhdxLogWriter(ImageFile file, VhdxHeader header)
{
    /// <summary>Pages of one entry: its descriptors fill the page of its header.</summary>
    public const int MaximumPages = (L.PageSize - L.LogEntryHeaderLength) / L.DescriptorLength;

    private int _at;
    private ulong _sequenceNumber;

    /// <summary>Names the entries of this run; goes into the header once the first of them is durable.</summary>
    public Guid LogGuid { get; } = Guid.NewGuid();

    /// <param name="pages">Whole pages at multiples of their size; <see cref="MaximumPages"/> at most.</param>
    public void Write(IReadOnlyList<MetadataWrite> pages)
    {
        byte[] entry = new byte[(1 + pages.Count) * L.PageSize];
        if (_at + entry.Length > header.LogLength)
        {
            _at = 0;
        }

        _sequenceNumber++;
        WriteHeader(entry, pages.Count);
        for (int index = 0; index < pages.Count; index++)
        {
            Span<byte> descriptor = entry.AsSpan(L.LogEntryHeaderLength + (index * L.DescriptorLength), L.DescriptorLength);
            WritePage(descriptor, entry.AsSpan((1 + index) * L.PageSize, L.PageSize), pages[index]);
        }

        VhdxChecksum.Put(entry);
        file.Write(header.LogOffset + _at, entry);
        _at += entry.Length;
    }

    private void WriteHeader(Span<byte> entry, int pages)
    {
        L.LogEntrySignature.CopyTo(entry);
        BinaryPrimitives.WriteInt32LittleEndian(entry[L.EntryLength..], entry.Length);
        BinaryPrimitives.WriteInt32LittleEndian(entry[L.EntryTail..], _at);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[L.EntrySequenceNumber..], _sequenceNumber);
        BinaryPrimitives.WriteInt32LittleEndian(entry[L.DescriptorCount..], pages);
        LogGuid.TryWriteBytes(entry[L.EntryLogGuid..]);
        BinaryPrimitives.WriteInt64LittleEndian(entry[L.FlushedFileOffset..], file.Length);
        BinaryPrimitives.WriteInt64LittleEndian(entry[L.LastFileOffset..], file.Length);
    }

    private void WritePage(Span<byte> descriptor, Span<byte> sector, MetadataWrite page)
    {
        L.DataDescriptorSignature.CopyTo(descriptor);
        page.Bytes.AsSpan(^L.TrailingLength..).CopyTo(descriptor[L.TrailingBytes..]);
        page.Bytes.AsSpan(0, L.LeadingLength).CopyTo(descriptor[L.LeadingBytes..]);
        BinaryPrimitives.WriteInt64LittleEndian(descriptor[L.DescriptorFileOffset..], page.Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor[L.DescriptorSequenceNumber..], _sequenceNumber);

        page.Bytes.CopyTo(sector);
        L.DataSectorSignature.CopyTo(sector);
        BinaryPrimitives.WriteUInt32LittleEndian(sector[4..], (uint)(_sequenceNumber >> 32));
        BinaryPrimitives.WriteUInt32LittleEndian(sector[^4..], (uint)_sequenceNumber);
    }
}
