using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Strata.Core.Time;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// Gives guests the files of a folder, for boot loaders from the network; nothing can be written. RFC 1350, "The TFTP Protocol"; RFC 2347
/// to 2349 for the options blksize and tsize. A guest that is restored in the middle of a file asks for it again. Under the network's gate;
/// the folder is taken to be on a disk that answers soon.
/// </summary>
internal sealed class TftpServer : IDisposable
{
    public const ushort Port = 69;

    /// <summary>Files on their way at a time; a further one ends the oldest.</summary>
    public const int MostTransfers = 16;

    /// <summary>How often a block is sent before its client is given up.</summary>
    public const int MostTimes = 8;

    /// <summary>How long an acknowledgment is waited for.</summary>
    public const long Patience = 1_000_000_000;

    private const ushort OpRead = 1, OpWrite = 2, OpAcknowledge = 4, OpError = 5, OpOptions = 6;
    private const ushort ErrorUndefined = 0, ErrorNotFound = 1, ErrorAccess = 2, ErrorIllegal = 4;
    private const ushort FirstPort = 49152;
    private const int OpcodeSize = 2;
    private const int DataHeaderSize = 4;

    private readonly NatContext _nat;
    private readonly TftpFolder _folder;
    private readonly List<TftpTransfer> _transfers = []; // the oldest first
    private readonly IVirtualTimer _repetition;
    private ushort _nextPort = FirstPort;

    /// <param name="nat">What services share.</param>
    /// <param name="folder">The host's.</param>
    public TftpServer(NatContext nat, string folder)
    {
        _nat = nat;
        _folder = new TftpFolder(folder);
        _repetition = nat.Clock.CreateTimer(OnRepetition);
    }

    /// <summary>Files on their way.</summary>
    public int TransferCount => _transfers.Count;

    /// <summary>Takes a datagram to the server's own port, or to that of a transfer.</summary>
    /// <returns>False for others'.</returns>
    public bool TryTake(in GuestPacket packet, in UdpDatagram datagram)
    {
        if (packet.Destination != _nat.Options.Gateway)
        {
            return false;
        }

        FlowKey key = new(packet.Source, datagram.SourcePort, packet.Destination, datagram.DestinationPort);
        if (datagram.DestinationPort == Port)
        {
            OnRequest(key, datagram.Data);
            return true;
        }

        if (_transfers.Find(transfer => transfer.Key == key) is not { } known)
        {
            return false;
        }

        OnMessage(known, datagram.Data);
        return true;
    }

    /// <summary>Ends all transfers.</summary>
    public void Clear()
    {
        _transfers.ForEach(transfer => transfer.Dispose());
        _transfers.Clear();
    }

    public void Dispose()
    {
        _repetition.Dispose();
        Clear();
    }

    private void OnRequest(FlowKey key, ReadOnlySpan<byte> message)
    {
        ushort opcode = message.Length < OpcodeSize ? (ushort)0 : BinaryPrimitives.ReadUInt16BigEndian(message);
        if (opcode == OpWrite)
        {
            SendError(key, ErrorAccess, "Nothing can be written here.");
        }
        else if (opcode != OpRead || TftpRequest.TryParse(message[OpcodeSize..]) is not { } request)
        {
            SendError(key, ErrorIllegal, "Only files are read here, as they are: mode octet.");
        }
        else if (_folder.TryOpen(request.Name, out long size) is { } file)
        {
            Start(key, request, file, size);
        }
        else
        {
            SendError(key, ErrorNotFound, "There is no such file.");
        }
    }

    private void Start(FlowKey key, TftpRequest request, SafeFileHandle file, long size)
    {
        int most = _nat.Options.Mtu - InternetPacket.HeaderSize(key.Guest) - UdpDatagram.HeaderSize - DataHeaderSize;
        int blockSize = Math.Min(request.BlockSize ?? TftpTransfer.UsualBlock, most);
        List<string> options = [];
        if (request.BlockSize is not null)
        {
            options.AddRange(["blksize", blockSize.ToString(CultureInfo.InvariantCulture)]);
        }

        if (request.AsksForSize)
        {
            options.AddRange(["tsize", size.ToString(CultureInfo.InvariantCulture)]);
        }

        foreach (TftpTransfer old in _transfers.Where(old => old.Key.Guest == key.Guest && old.Key.GuestPort == key.GuestPort).ToArray())
        {
            End(old); // it asks once more
        }

        if (_transfers.Count == MostTransfers)
        {
            End(_transfers[0]);
        }

        _nextPort = _nextPort == ushort.MaxValue ? FirstPort : (ushort)(_nextPort + 1);
        TftpTransfer transfer = new(key with { RemotePort = _nextPort }, file, blockSize);
        _transfers.Add(transfer);
        if (options.Count == 0)
        {
            Advance(transfer);
        }
        else
        {
            transfer.Begin([0, (byte)OpOptions, .. Encoding.ASCII.GetBytes(string.Join('\0', options)), 0]);
            Send(transfer);
        }

        _repetition.Arm(_nat.Clock.Now + Patience);
    }

    private void OnMessage(TftpTransfer transfer, ReadOnlySpan<byte> message)
    {
        ushort opcode = message.Length < OpcodeSize ? (ushort)0 : BinaryPrimitives.ReadUInt16BigEndian(message);
        if (opcode == OpError)
        {
            End(transfer);
        }
        else if (opcode == OpAcknowledge && message.Length >= DataHeaderSize
            && transfer.Acknowledges(BinaryPrimitives.ReadUInt16BigEndian(message[OpcodeSize..])))
        {
            Advance(transfer);
        }
    }

    private void Advance(TftpTransfer transfer)
    {
        try
        {
            if (transfer.TryAdvance())
            {
                Send(transfer);
                return;
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            SendError(transfer.Key, ErrorUndefined, "The file cannot be read.");
        }

        End(transfer);
    }

    private void Send(TftpTransfer transfer)
    {
        transfer.SentAt = _nat.Clock.Now;
        transfer.Times++;
        Send(transfer.Key, transfer.Message);
    }

    private void SendError(FlowKey key, ushort code, string text) =>
        Send(key, [0, (byte)OpError, 0, (byte)code, .. Encoding.ASCII.GetBytes(text), 0]);

    private void Send(FlowKey key, ReadOnlySpan<byte> message)
    {
        byte[] datagram = new byte[UdpDatagram.HeaderSize + message.Length];
        UdpDatagram.Write(datagram, key.Remote, key.Guest, key.RemotePort, key.GuestPort, message);
        _nat.Link.SendPacket(key.Remote, key.Guest, Ipv4Packet.ProtocolUdp, datagram);
    }

    private void End(TftpTransfer transfer)
    {
        _transfers.Remove(transfer);
        transfer.Dispose();
    }

    /// <summary>What was not acknowledged is sent again. The clock's thread.</summary>
    private void OnRepetition()
    {
        lock (_nat.Gate)
        {
            foreach (TftpTransfer transfer in _transfers.Where(late => _nat.Clock.Now - late.SentAt >= Patience).ToArray())
            {
                if (transfer.Times >= MostTimes)
                {
                    End(transfer);
                }
                else
                {
                    Send(transfer);
                }
            }

            if (_transfers.Count > 0)
            {
                _repetition.Arm(_nat.Clock.Now + Patience);
            }
        }
    }
}
