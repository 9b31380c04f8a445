using System.Buffers.Binary;
using System.Text;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// Answers queries for the names of the network's own stations; all others are the host's affair. RFC 1035, section 4, "Messages".
/// <code>
/// 0 id (16)   2 flags (16)   4 questions (16)   6 answers (16)   8 authorities (16)   10 additional (16)
/// 12 name: labels of a length (8) and characters, a zero at the end; then type (16) and class (16)
/// </code>
/// Under the network's gate.
/// </summary>
internal sealed class NameService(DhcpServer dhcp)
{
    /// <summary>Bytes of the largest answer: header, question, address.</summary>
    public const int LargestReply = HeaderSize + LongestName + QuestionTail + AnswerSize;

    /// <summary>The domain that is set aside for private networks; names of stations are good without it, too.</summary>
    private const string Domain = ".internal";

    private const int HeaderSize = 12;
    private const int LongestName = 255;
    private const int LongestLabel = 63;
    private const int QuestionTail = 4;
    private const int AnswerSize = 16;
    private const ushort QueryOrOpcode = 0xF800;
    private const ushort RecursionDesired = 0x0100;
    private const ushort AnswerFlags = 0x8480; // an answer, authoritative, recursion available
    private const ushort TypeA = 1;
    private const ushort TypeAny = 255;
    private const ushort ClassInternet = 1;
    private const ushort NameOfQuestion = 0xC00C; // a pointer to byte 12

    /// <summary>Stations come and go: what is known of them is not to be kept for long.</summary>
    private const uint TimeToLiveSeconds = 5;

    private readonly Dictionary<string, MacAddress> _stations = new(StringComparer.OrdinalIgnoreCase);

    public void Add(string name, MacAddress station) => _stations[name] = station;

    public void Remove(MacAddress station)
    {
        foreach (string name in _stations.Where(entry => entry.Value == station).Select(entry => entry.Key).ToArray())
        {
            _stations.Remove(name);
        }
    }

    /// <param name="reply">At least <see cref="LargestReply"/> bytes.</param>
    /// <param name="length">Bytes of the reply.</param>
    /// <returns>False if the query is for somebody else's name, or is none.</returns>
    public bool TryAnswer(ReadOnlySpan<byte> query, Span<byte> reply, out int length)
    {
        length = 0;
        if (query.Length < HeaderSize || (BinaryPrimitives.ReadUInt16BigEndian(query[2..]) & QueryOrOpcode) != 0
            || BinaryPrimitives.ReadUInt16BigEndian(query[4..]) != 1
            || !TryReadName(query[HeaderSize..], out string name, out int size)
            || query.Length < HeaderSize + size + QuestionTail || FindStation(name) is not { } station)
        {
            return false;
        }

        int end = HeaderSize + size + QuestionTail;
        ushort type = BinaryPrimitives.ReadUInt16BigEndian(query[(end - 4)..]);
        ushort kind = BinaryPrimitives.ReadUInt16BigEndian(query[(end - 2)..]);
        Ipv4Address? address = type is TypeA or TypeAny && kind == ClassInternet ? dhcp.Find(station) : null;
        query[..end].CopyTo(reply);
        int flags = AnswerFlags | (BinaryPrimitives.ReadUInt16BigEndian(query[2..]) & RecursionDesired);
        BinaryPrimitives.WriteUInt16BigEndian(reply[2..], (ushort)flags);
        BinaryPrimitives.WriteUInt16BigEndian(reply[6..], address is null ? (ushort)0 : (ushort)1);
        reply[8..HeaderSize].Clear();
        length = end + (address is { } known ? WriteAddress(reply[end..], known) : 0);
        return true;
    }

    private MacAddress? FindStation(string name)
    {
        bool isLocal = name.EndsWith(Domain, StringComparison.OrdinalIgnoreCase);
        string station = isLocal ? name[..^Domain.Length] : name;
        return (isLocal || !station.Contains('.', StringComparison.Ordinal)) && _stations.TryGetValue(station, out MacAddress mac)
            ? mac
            : null;
    }

    private static int WriteAddress(Span<byte> place, Ipv4Address address)
    {
        BinaryPrimitives.WriteUInt16BigEndian(place, NameOfQuestion);
        BinaryPrimitives.WriteUInt16BigEndian(place[2..], TypeA);
        BinaryPrimitives.WriteUInt16BigEndian(place[4..], ClassInternet);
        BinaryPrimitives.WriteUInt32BigEndian(place[6..], TimeToLiveSeconds);
        BinaryPrimitives.WriteUInt16BigEndian(place[10..], 4);
        address.Write(place[12..]);
        return AnswerSize;
    }

    /// <param name="size">Bytes of the name, its zero included.</param>
    private static bool TryReadName(ReadOnlySpan<byte> bytes, out string name, out int size)
    {
        StringBuilder text = new();
        name = string.Empty;
        size = 0;
        while (size < bytes.Length && bytes[size] != 0)
        {
            int length = bytes[size];
            if (length > LongestLabel || size + 1 + length >= Math.Min(bytes.Length, LongestName))
            {
                return false; // a pointer, which a question has no use for, or more than a name can be
            }

            text.Append(text.Length == 0 ? string.Empty : ".").Append(Encoding.Latin1.GetString(bytes.Slice(size + 1, length)));
            size += 1 + length;
        }

        name = text.ToString();
        size++;
        return size <= bytes.Length;
    }
}
