using System.Buffers.Binary;
using Strata.Core.Posix;

namespace Strata;

/// <summary>
/// What the library and the guest's agent send each other, one operation a connection.
/// <code>
/// frame: 0 length of the payload (32)  4 type (8, a letter)  5 payload
/// S  start: terminal (8) rows (16) columns (16), folder, argument count (32), arguments, NAME=VALUE …; texts with their length (32)
/// I  input, empty at its end         W  rows (16) columns (16)
/// K  signal (32); with a stream (32) behind it, 1 output, 2 error output, its reading end is closed instead: agents that do not know
///    that send the signal
/// U  put a tree: name for a folder that exists, path; then M, N … E    T  get a tree: path; then N, V or L … E
/// M  manner of putting: 1, what exists is replaced (32)
/// N  node: mode (32) kind (8: d f l) path below the tree's, target of a link; texts with their length (32); then, from agents that know
///    it, when it was modified: seconds since 1970 (64) nanoseconds (32); behind a file D … E
///    in the order of a walk, a folder before what is in it and all of that before what is beside it
/// L  left out: errno (32), path; from the agent at any time while a tree is put. Behind content instead of E: the rest cannot be read
/// V  left out, as it is no file, folder or link: path
/// C of a clone, to its identity program: 64 random bytes, time, host name, OLD=NEW MAC address …; texts with their length (32). Answered
/// by A
///    with the number of SSH host keys that were removed (32) and what could not be done, a line each
/// Y  wait until the guest's console is read; then A
/// P  put: mode (32), path; then D … E    G  get: path
/// A  accepted: process ID, mode, or version of the agent, where 1 knows M and L (32)   O, R  output, error output   C  input taken (32)
/// X  exit: code (32) signal (32)     D  content   E  end of it   F  failed: errno (32), text
/// </code>
/// </summary>
internal readonly record struct AgentFrame(char Type, byte[] Payload)
{
    /// <summary>Bytes; more is a defect of the peer.</summary>
    public const int LargestPayload = 1 << 20;

    private const int HeaderSize = 5;

    public uint Number(int index = 0) => Payload.Length >= (index + 1) * 4
        ? BinaryPrimitives.ReadUInt32LittleEndian(Payload.AsSpan(index * 4))
        : throw new InvalidDataException($"The guest's agent sent a frame '{Type}' that is too short.");

    /// <summary>The text behind the number of a failure.</summary>
    public string Text => ByteText.GetString(Payload.AsSpan(Math.Min(4, Payload.Length)));

    /// <returns>Null at the end of the stream.</returns>
    /// <exception cref="InvalidDataException">What comes is no frame.</exception>
    public static async Task<AgentFrame?> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        byte[] header = new byte[HeaderSize];
        int count = await stream.ReadAtLeastAsync(header, HeaderSize, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        if (count < HeaderSize)
        {
            return null;
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        if (length > LargestPayload)
        {
            throw new InvalidDataException($"The guest's agent sent a frame of {length:N0} bytes.");
        }

        byte[] payload = new byte[length];
        count = await stream.ReadAtLeastAsync(payload, payload.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return count < payload.Length ? null : new AgentFrame((char)header[4], payload);
    }

    public static async Task WriteAsync(Stream stream, char type, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        byte[] frame = new byte[HeaderSize + payload.Length];
        BinaryPrimitives.WriteInt32LittleEndian(frame, payload.Length);
        frame[4] = (byte)type;
        payload.CopyTo(frame.AsMemory(HeaderSize));
        await stream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
    }

    /// <exception cref="StrataException">No guest could run it.</exception>
    public static byte[] Start(GuestCommand command)
    {
        Check(command);
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write(command.Terminal is null ? (byte)0 : (byte)1);
        writer.Write(command.Terminal?.Rows ?? 0);
        writer.Write(command.Terminal?.Columns ?? 0);
        WriteText(writer, command.Folder);
        writer.Write(command.Arguments.Count);
        foreach (string text in command.Arguments.Concat(command.Environment.Select(variable => $"{variable.Key}={variable.Value}")))
        {
            WriteText(writer, text);
        }

        return bytes.Length <= LargestPayload
            ? bytes.ToArray()
            : throw new StrataException(
                StrataError.BadInput,
                $"The command and its environment have {bytes.Length:N0} bytes, and {LargestPayload:N0} is the most: hand data over as " +
                $"input or as a file.");
    }

    public static byte[] Numbers(params ReadOnlySpan<uint> numbers)
    {
        byte[] bytes = new byte[numbers.Length * 4];
        for (int i = 0; i < numbers.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * 4), numbers[i]);
        }

        return bytes;
    }

    private static void Check(GuestCommand command)
    {
        if (command.Arguments.Count == 0 || command.Arguments[0].Length == 0)
        {
            throw new StrataException(StrataError.BadInput, "The command names no program; its first argument has to.");
        }

        if (command.Environment.Keys.FirstOrDefault(name => name.Length == 0 || name.Contains('=', StringComparison.Ordinal)) is { } odd)
        {
            throw new StrataException(
                StrataError.BadInput, $"\"{odd}\" can name no variable of a command: it is empty or has an equals sign.");
        }

        if (command.Arguments.Append(command.Folder).Concat(command.Environment.SelectMany(
            variable => new[] { variable.Key, variable.Value })).Any(text => text.Contains('\0', StringComparison.Ordinal)))
        {
            throw new StrataException(
                StrataError.BadInput,
                "The command has a zero character in an argument, its folder or its environment, where a guest would see the text end.");
        }
    }

    private static void WriteText(BinaryWriter writer, string text)
    {
        byte[] bytes = ByteText.GetBytes(text);
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }
}
