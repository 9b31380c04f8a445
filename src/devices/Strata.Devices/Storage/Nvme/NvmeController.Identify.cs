using System.Buffers.Binary;
using System.Text;
using static Strata.Devices.Storage.Nvme.NvmeRegisters;

namespace Strata.Devices.Storage.Nvme;

/// <content>What the controller says of itself. Base specification, "Identify command" and "Get Log Page command".</content>
public sealed partial class NvmeController
{
    private const int IdentifySize = 4096;

    private ushort ExecuteIdentify(in NvmeCommand command)
    {
        byte[] data = new byte[IdentifySize];
        switch ((byte)command.Dword10)
        {
            case 0 when command.Namespace == AllNamespaces:
                DescribeNamespace(data);
                break;
            case 0 or 3 when command.Namespace != NamespaceId:
                return InvalidNamespace;
            case 0:
                DescribeNamespace(data);
                break;
            case 1:
                DescribeController(data);
                break;
            case 2 when command.Namespace >= 0xFFFF_FFFE:
                return InvalidNamespace;
            case 2: // namespaces with a higher number
                BinaryPrimitives.WriteUInt32LittleEndian(data, command.Namespace < NamespaceId ? NamespaceId : 0);
                break;
            case 3: // one descriptor: EUI-64
                (data[0], data[1]) = (1, 8);
                BinaryPrimitives.WriteUInt64BigEndian(data.AsSpan(4), Identifier);
                break;
            default:
                return InvalidField;
        }

        return Answer(command, data);
    }

    /// <summary>The namespace's EUI-64 as firmware writes it in paths of devices: its bytes as a little-endian number.</summary>
    public ulong NamespaceName => BinaryPrimitives.ReverseEndianness(Identifier);

    /// <summary>EUI-64: locally administered, from the serial number.</summary>
    private ulong Identifier
    {
        get
        {
            ulong hash = 0xCBF2_9CE4_8422_2325; // FNV-1a
            foreach (char letter in _serial)
            {
                hash = (hash ^ letter) * 0x0000_0100_0000_01B3;
            }

            return 0x0200_0000_0000_0000 | (hash >> 8);
        }
    }

    private static void PutText(Span<byte> field, string text)
    {
        field.Fill((byte)' ');
        Encoding.ASCII.GetBytes(text.AsSpan(0, Math.Min(text.Length, field.Length)), field);
    }

    private static void Put16(Span<byte> data, int offset, int value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(data[offset..], (ushort)value);

    private static void Put32(Span<byte> data, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(data[offset..], value);

    private void DescribeController(Span<byte> data)
    {
        Put16(data, 0, 0x1B36);  // VID
        Put16(data, 2, 0x1AF4);  // SSVID
        PutText(data[4..24], _serial);
        PutText(data[24..64], "Strata NVMe disk");
        PutText(data[64..72], "1.0");
        data[77] = MDTS;
        Put32(data, 80, NvmeRegisters.Version);
        data[111] = 1;           // CNTRLTYPE: an I/O controller
        data[258] = 3;           // ACL
        data[259] = MostEventRequests - 1;
        data[260] = (1 << 1) | 1; // FRMW: one slot, read-only
        Put16(data, 266, 353);   // WCTEMP, K
        Put16(data, 268, 373);   // CCTEMP
        data[512] = 0x66;        // SQES
        data[513] = 0x44;        // CQES
        Put32(data, 516, NamespaceId); // NN
        Put16(data, 520, (1 << 3) | (1 << 2)); // ONCS: write zeroes, dataset management
        data[525] = 1;           // VWC
        Encoding.ASCII.GetBytes($"nqn.2014-08.org.nvmexpress:strata:{_serial}", data[768..1024]);
        Put16(data, 2048, 2500); // power state 0: 25 W
    }

    private void DescribeNamespace(Span<byte> data)
    {
        for (int field = 0; field < 24; field += 8)
        {
            BinaryPrimitives.WriteInt64LittleEndian(data[field..], _disk.Sectors); // NSZE, NCAP, NUSE
        }

        data[24] = 1; // NSFEAT: blocks may be deallocated
        data[99] = (byte)(_disk.IsReadOnly ? 1 : 0); // NSATTR
        BinaryPrimitives.WriteUInt64BigEndian(data[120..], Identifier);
        data[130] = 9; // LBADS of format 0
    }

    private ushort ExecuteGetLogPage(in NvmeCommand command)
    {
        const uint retainEvent = 1 << 15;
        long length = ((command.Dword10 >> 16) | ((long)(command.Dword11 & 0xFFFF) << 16)) + 1;
        length *= 4;
        if (length > LargestTransfer || command.Dword12 != 0)
        {
            return InvalidField; // offsets are not told to exist (LPA)
        }

        byte[] page = new byte[length];
        Span<byte> data = stackalloc byte[512];
        data.Clear();
        switch (command.Dword10 & 0xFF)
        {
            case ErrorLogPage:
                break; // no entries
            case 2: // health
                Put16(data, 1, 310); // K
                (data[3], data[4]) = (100, 10); // available spare and its threshold, percent
                break;
            case 3: // firmware slots
                data[0] = 1;
                PutText(data[8..16], "1.0");
                break;
            default:
                return InvalidLogPage;
        }

        data[..Math.Min(data.Length, page.Length)].CopyTo(page);
        if ((command.Dword10 & 0xFF) == ErrorLogPage && (command.Dword10 & retainEvent) == 0)
        {
            lock (_gate)
            {
                _areErrorsMasked = false;
                TellEvents();
            }
        }

        return Answer(command, page);
    }

    private ushort Answer(in NvmeCommand command, ReadOnlySpan<byte> data)
    {
        if (FindData(command, data.Length) is not Success and var wrong)
        {
            return wrong;
        }

        return _buffer.TryFill(data) ? Success : DataTransferError;
    }
}
