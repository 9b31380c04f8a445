using System.Buffers.Binary;
using Strata.Core.Bus;
using static Strata.Devices.Storage.Ahci.AhciRegisters;

namespace Strata.Devices.Storage.Ahci;

/// <summary>The places in memory that a command's table names, and the way of its bytes. The worker's.</summary>
/// <param name="table">Guest-physical address of the first entry.</param>
/// <param name="entries">Entries of the table.</param>
internal sealed class AhciData(AddressSpace memory, ulong table, int entries)
{
    private const int Piece = 64 << 10;

    private ulong _address;
    private uint _rest;
    private int _next;

    /// <summary>Bytes that were moved.</summary>
    public long Moved { get; private set; }

    /// <summary>They were for the host.</summary>
    public bool IsToHost { get; private set; }

    /// <summary>Moves a drive's data phase.</summary>
    /// <param name="onFailure">Hears why a medium failed.</param>
    /// <returns>False if the medium failed, or the table is too short or names what is no RAM.</returns>
    public bool TryMove(IdeDrive drive, IdeTransfer transfer, Action<string> onFailure)
    {
        IsToHost = transfer.Kind is IdeTransferKind.FromMedium or IdeTransferKind.FromReply;
        byte[] buffer = new byte[(int)Math.Min(transfer.Length, Piece)];
        try
        {
            for (long at = 0; at < transfer.Length;)
            {
                Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, transfer.Length - at));
                if (IsToHost)
                {
                    drive.Fetch(transfer, at, piece);
                }

                if (!TryMove(piece))
                {
                    return false;
                }

                if (!IsToHost)
                {
                    drive.Store(transfer, at, piece);
                }

                at += piece.Length;
            }

            drive.Settle(transfer);
            return true;
        }
        catch (IOException error)
        {
            onFailure(error.Message);
            return false;
        }
    }

    /// <summary>Hands bytes to the host.</summary>
    public void TryPut(byte[] bytes)
    {
        IsToHost = true;
        TryMove(bytes);
    }

    private bool TryMove(Span<byte> piece)
    {
        while (!piece.IsEmpty)
        {
            if (_rest == 0 && !TryNext())
            {
                return false;
            }

            int count = (int)Math.Min((uint)piece.Length, _rest);
            if (!TryCopy(piece[..count]))
            {
                return false;
            }

            (_address, _rest) = (_address + (uint)count, _rest - (uint)count);
            Moved += count;
            piece = piece[count..];
        }

        return true;
    }

    private bool TryCopy(Span<byte> part)
    {
        if (IsToHost)
        {
            return memory.TryWriteBytes(_address, part);
        }

        bool isMemory = memory.TryGetSpan(_address, (uint)part.Length, out ReadOnlySpan<byte> source);
        if (isMemory)
        {
            source.CopyTo(part);
        }

        return isMemory;
    }

    private bool TryNext()
    {
        if (_next == entries || !memory.TryGetSpan(table + (ulong)(_next * RegionSize), RegionSize, out ReadOnlySpan<byte> entry))
        {
            return false;
        }

        _next++;
        _address = BinaryPrimitives.ReadUInt64LittleEndian(entry) & ~1UL;
        _rest = (BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]) & 0x3F_FFFF) + 1;
        return true;
    }
}
