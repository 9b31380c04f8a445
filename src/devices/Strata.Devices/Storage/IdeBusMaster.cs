using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;

namespace Strata.Devices.Storage;

/// <summary>
/// One channel's bus master: it moves a drive's data phase to or from the places that a table in memory names. Intel 82371SB (PIIX3) data
/// sheet, "Bus Master IDE Registers"; under the channel's lock, but for <see cref="Move"/>.
/// <code>
/// 0 command: 3 to memory  0 start          2 status: 6, 5 drives can  2 interrupt (write 1 to clear)  1 error (same)  0 active
/// 4 table: 31..2; of its entries: 0 address (32)  4 bytes (16, 0 for 64 KiB)  7 7: the last one
/// </code>
/// </summary>
internal sealed class IdeBusMaster(AddressSpace memory)
{
    public const byte Start = 1 << 0;
    public const byte ToMemory = 1 << 3;
    public const byte Active = 1 << 0;
    public const byte Failed = 1 << 1;
    public const byte Interrupted = 1 << 2;
    public const byte CommandMask = Start | ToMemory;
    public const byte StatusMask = 0x67;

    private const byte DriveAbilities = 0x60;
    private const int EntrySize = 8;
    private const int MostEntries = 8192; // a table lies within 64 KiB
    private const int Piece = 64 << 10;

    public byte Command { get; set; }

    public byte Status { get; set; }

    public uint Table { get; set; }

    public void Reset() => (Command, Status, Table) = (0, 0, 0);

    /// <summary>Writes the status register: the causes are cleared by ones.</summary>
    public void WriteStatus(byte value) =>
        Status = (byte)((value & DriveAbilities) | (Status & Active) | (Status & ~value & (Failed | Interrupted)));

    /// <summary>Moves a data phase. Without the lock.</summary>
    /// <param name="entriesLeft">The table has room for more than was moved.</param>
    /// <returns>False if the table is too short or names what is no RAM, or the directions differ.</returns>
    /// <exception cref="IOException">The medium failed.</exception>
    public bool Move(IdeDrive drive, IdeTransfer transfer, bool toMemory, uint table, out bool entriesLeft)
    {
        entriesLeft = false;
        bool isToHost = transfer.Kind is IdeTransferKind.FromMedium or IdeTransferKind.FromReply;
        if (isToHost != toMemory)
        {
            return false;
        }

        Scatter places = new(memory, table);
        byte[] buffer = new byte[(int)Math.Min(transfer.Length, Piece)];
        for (long at = transfer.Done; at < transfer.Length;)
        {
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, transfer.Length - at));
            if (isToHost)
            {
                drive.Fetch(transfer, at, piece);
            }

            if (!places.TryMove(piece, toMemory))
            {
                return false;
            }

            if (!isToHost)
            {
                drive.Store(transfer, at, piece);
            }

            at += piece.Length;
        }

        drive.Settle(transfer);
        entriesLeft = places.HasMore;
        return true;
    }

    /// <summary>The places that a table names, one after the other.</summary>
    private struct Scatter(AddressSpace memory, uint table)
    {
        private uint _address;
        private uint _rest;
        private bool _isLast;
        private int _entries;

        public readonly bool HasMore => _rest > 0 || !_isLast;

        public bool TryMove(Span<byte> piece, bool toMemory)
        {
            while (!piece.IsEmpty)
            {
                if (_rest == 0 && !TryNext())
                {
                    return false;
                }

                int count = (int)Math.Min((uint)piece.Length, _rest);
                if (!TryCopy(piece[..count], toMemory))
                {
                    return false;
                }

                (_address, _rest) = (_address + (uint)count, _rest - (uint)count);
                piece = piece[count..];
            }

            return true;
        }

        private readonly bool TryCopy(Span<byte> part, bool toMemory)
        {
            if (toMemory)
            {
                return memory.TryWriteBytes(_address, part);
            }

            if (!memory.TryGetSpan(_address, (uint)part.Length, out ReadOnlySpan<byte> source))
            {
                return false;
            }

            source.CopyTo(part);
            return true;
        }

        private bool TryNext()
        {
            if (_isLast
                || _entries == MostEntries
                || !memory.TryGetSpan(table + ((uint)_entries * EntrySize), EntrySize, out ReadOnlySpan<byte> entry))
            {
                return false;
            }

            _entries++;
            _address = BinaryPrimitives.ReadUInt32LittleEndian(entry) & ~1u;
            uint count = BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]);
            _rest = (count & 0xFFFE) == 0 ? 0x1_0000 : count & 0xFFFE;
            _isLast = (count & 0x8000_0000) != 0;
            return true;
        }
    }
}
