using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Sharing;
using Strata.Virtio.Queue;

namespace Strata.Virtio.FileSystem;

/// <summary>
/// Serves the FUSE requests of one guest from a share. A request is copied before it is judged; file content alone moves between
/// guest memory and the share directly. One thread at a time.
/// </summary>
internal sealed partial class FuseServer(AddressSpace memory, IFileShare share, TimeSpan validity)
{
    /// <summary>Bytes of file content in one request.</summary>
    public const int LargestTransfer = 1 << 20;

    private const int PageSize = 4096;
    private const int LongestTarget = 4096;

    private readonly FuseReply _reply = new() { Validity = validity };
    private readonly byte[] _arguments = new byte[FuseProtocol.LargestExtendedAttribute + PageSize];

    /// <summary>The driver has opened the session.</summary>
    public bool IsInitialized { get; set; }

    /// <summary>Serves one chain.</summary>
    /// <returns>Bytes written into it; 0 for requests that have no answer, and for what is no request.</returns>
    public uint Serve(DescriptorChain chain)
    {
        ChainReader reader = new(memory, chain);
        Span<byte> header = stackalloc byte[FuseProtocol.RequestHeaderSize];
        if (!reader.TryRead(header, out int count) || count < header.Length)
        {
            return 0;
        }

        FuseRequest request = new(
            (FuseOperation)BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
            BinaryPrimitives.ReadUInt64LittleEndian(header[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(header[16..]),
            new FileOwner(BinaryPrimitives.ReadUInt32LittleEndian(header[24..]), BinaryPrimitives.ReadUInt32LittleEndian(header[28..])));
        int most = request.Operation == FuseOperation.Write ? FuseArguments.SizeOf(FuseOperation.Write) : _arguments.Length;
        if (!reader.TryRead(_arguments.AsSpan(0, most), out count))
        {
            return 0;
        }

        FuseArguments arguments = new(_arguments.AsSpan(0, count));
        _reply.Clear();
        if (count < FuseArguments.SizeOf(request.Operation))
        {
            return HasAnswer(request.Operation) ? Answer(chain, request, Errno.EINVAL) : 0;
        }

        switch (request.Operation)
        {
            case FuseOperation.Forget:
                share.Forget(request.Node, arguments.U64(0));
                return 0;
            case FuseOperation.ForgetMany:
                ForgetMany(arguments);
                return 0;
            case FuseOperation.Interrupt:
                return 0; // requests are served in order: what it would interrupt is done
            case FuseOperation.Initialize:
                return Answer(chain, request, Initialize(arguments));
            case FuseOperation.Read when IsInitialized:
                return Read(chain, request, arguments);
            case FuseOperation.Write when IsInitialized:
                return Answer(chain, request, Write(ref reader, arguments));
            default:
                return Answer(chain, request, IsInitialized ? Execute(request, arguments) : Errno.EIO);
        }
    }

    /// <summary>The driver has gone.</summary>
    public void Reset()
    {
        IsInitialized = false;
        share.Reset();
    }

    private static bool HasAnswer(FuseOperation operation) =>
        operation is not (FuseOperation.Forget or FuseOperation.ForgetMany or FuseOperation.Interrupt);

    private uint Answer(DescriptorChain chain, in FuseRequest request, Errno error)
    {
        ReadOnlySpan<byte> body = error == Errno.None ? _reply.Bytes : default;
        ChainWriter writer = new(memory, chain);
        return TryPutHeader(ref writer, request, error, body.Length) && writer.TryWrite(body) ? writer.Taken : 0;
    }

    private static bool TryPutHeader(ref ChainWriter writer, in FuseRequest request, Errno error, int length)
    {
        Span<byte> header = stackalloc byte[FuseProtocol.ReplyHeaderSize];
        BinaryPrimitives.WriteInt32LittleEndian(header, FuseProtocol.ReplyHeaderSize + length);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], -(int)error);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], request.Unique);
        return writer.TryWrite(header);
    }

    private Errno Initialize(FuseArguments arguments)
    {
        uint major = arguments.U32(0);
        uint minor = arguments.U32(4);
        if (major < FuseProtocol.MajorVersion || (major == FuseProtocol.MajorVersion && minor < FuseProtocol.OldestMinorVersion))
        {
            return Errno.EPROTO;
        }

        const uint always = FuseProtocol.FeatureAsyncRead | FuseProtocol.FeatureAtomicTruncate | FuseProtocol.FeatureBigWrites
            | FuseProtocol.FeatureAutoInvalidateData
                | FuseProtocol.FeatureAsyncDirect
                | FuseProtocol.FeatureParallelFolders
                | FuseProtocol.FeatureMaxPages
            | FuseProtocol.FeatureExports | FuseProtocol.FeatureDropsPrivileges;
        // or the entries are asked for again
        const uint whenCached = FuseProtocol.FeatureReadFolderPlus | FuseProtocol.FeatureReadFolderPlusAuto;
        uint wanted = _reply.Validity > TimeSpan.Zero ? always | whenCached : always;
        Span<byte> body = _reply.Add(FuseProtocol.InitReplySize);
        BinaryPrimitives.WriteUInt32LittleEndian(body, FuseProtocol.MajorVersion);
        BinaryPrimitives.WriteUInt32LittleEndian(body[4..], FuseProtocol.MinorVersion);
        BinaryPrimitives.WriteUInt32LittleEndian(body[8..], arguments.U32(8)); // read-ahead: as the driver likes
        BinaryPrimitives.WriteUInt32LittleEndian(body[12..], arguments.U32(12) & wanted);
        BinaryPrimitives.WriteUInt16LittleEndian(body[16..], 16); // requests in the background
        BinaryPrimitives.WriteUInt16LittleEndian(body[18..], 12); // of which are congestion
        BinaryPrimitives.WriteUInt32LittleEndian(body[20..], LargestTransfer);
        BinaryPrimitives.WriteUInt32LittleEndian(body[24..], 1); // times have nanoseconds
        BinaryPrimitives.WriteUInt16LittleEndian(body[28..], LargestTransfer / PageSize);
        IsInitialized = true;
        return Errno.None;
    }

    private void ForgetMany(FuseArguments arguments)
    {
        const int entrySize = 16;
        uint count = arguments.U32(0);
        int at = 8;
        for (uint i = 0; i < count && at + entrySize <= arguments.Length; i++, at += entrySize)
        {
            share.Forget(arguments.U64(at), arguments.U64(at + 8));
        }
    }

    /// <summary>The content goes behind the room for the header, which follows when the length is known.</summary>
    private uint Read(DescriptorChain chain, in FuseRequest request, FuseArguments arguments)
    {
        ulong handle = arguments.U64(0);
        ulong offset = arguments.U64(8);
        int left = (int)Math.Min(arguments.U32(16), LargestTransfer);
        ChainWriter writer = new(memory, chain);
        if (!writer.TrySkip(FuseProtocol.ReplyHeaderSize))
        {
            return 0;
        }

        int total = 0;
        Errno error = Errno.None;
        while (left > 0 && error == Errno.None)
        {
            if (!writer.TryTake(left, out DmaWrite write))
            {
                return 0;
            }

            using (write)
            {
                if (write.IsEmpty)
                {
                    break;
                }

                error = share.Read(handle, offset, write.Span, out int count);
                total += count;
                left -= count;
                offset += (uint)count;
                if (count < write.Span.Length)
                {
                    break;
                }
            }
        }

        total = total > 0 || error == Errno.None ? total : 0;
        error = total > 0 ? Errno.None : error;
        ChainWriter header = new(memory, chain);
        return TryPutHeader(ref header, request, error, total) ? (uint)(FuseProtocol.ReplyHeaderSize + total) : 0;
    }

    private Errno Write(ref ChainReader reader, FuseArguments arguments)
    {
        ulong handle = arguments.U64(0);
        ulong offset = arguments.U64(8);
        uint size = arguments.U32(16);
        bool cached = (arguments.U32(20) & FuseProtocol.WriteFromCache) != 0;
        if (size > LargestTransfer)
        {
            return Errno.EINVAL;
        }

        uint total = 0;
        Errno error = Errno.None;
        while (total < size && error == Errno.None)
        {
            if (!reader.TryTake((int)(size - total), out ReadOnlySpan<byte> data) || data.IsEmpty)
            {
                error = Errno.EINVAL;
                break;
            }

            error = share.Write(handle, offset + total, data, cached, out int count);
            total += (uint)count;
            if (count < data.Length)
            {
                break;
            }
        }

        _reply.AddNumber(total);
        return total > 0 ? Errno.None : error;
    }
}
