using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Strata.Core.Sound;
using Strata.Devices.Workers;

namespace Strata.Sounds;

/// <summary>
/// A WAV file of what a machine plays, which is whole behind each write: RIFF, "WAVE", PCM of two channels. A thread of its own writes
/// it, so that the machine does not wait for the disk. Where the disk fails, the log says so, and the rest is left out.
/// </summary>
internal sealed partial class WaveFile : ISoundSink
{
    private const int HeaderSize = 44;
    private const int FrameBytes = 4;
    private const long LargestData = uint.MaxValue - HeaderSize - FrameBytes;

    /// <summary>Bytes that wait for the disk at most: ten seconds.</summary>
    private const int MostWaiting = 10 * ISoundSink.Rate * FrameBytes;

    private readonly FileStream _file;
    private readonly ILogger _logger;
    private readonly DeviceWorker _worker;
    private readonly List<byte> _waiting = []; // under itself
    private long _written; // the worker's
    private bool _hasFailed; // under _waiting

    /// <exception cref="StrataException">The file cannot be written.</exception>
    public WaveFile(string path, ILogger logger)
    {
        _logger = logger;
        try
        {
            _file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
            WriteHeader();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StrataException(
                StrataError.BadInput, $"The sound file {path} cannot be written: {error.Message} Give another with --sound.", error);
        }

        _worker = new DeviceWorker("strata-sound", WriteWaiting);
    }

    public void Write(ReadOnlySpan<short> samples)
    {
        lock (_waiting)
        {
            if (_hasFailed || _waiting.Count > MostWaiting)
            {
                return; // a disk that is too slow loses sound, not memory
            }

            _waiting.AddRange(MemoryMarshal.AsBytes(samples));
        }

        _worker.Wake();
    }

    /// <summary>Writes what waits, and closes the file.</summary>
    public void Dispose()
    {
        _worker.Dispose();
        WriteWaiting();
        _file.Dispose();
    }

    private void WriteWaiting()
    {
        byte[] bytes;
        lock (_waiting)
        {
            bytes = [.. _waiting];
            _waiting.Clear();
        }

        int length = (int)Math.Min(bytes.Length, LargestData - _written);
        if (length <= 0)
        {
            return;
        }

        try
        {
            RandomAccess.Write(_file.SafeFileHandle, bytes.AsSpan(0, length), HeaderSize + _written);
            _written += length;
            WriteHeader();
        }
        catch (IOException error)
        {
            lock (_waiting)
            {
                _hasFailed = true;
            }

            LogFailed(_logger, _file.Name, error.Message);
        }
    }

    private void WriteHeader()
    {
        byte[] header = new byte[HeaderSize];
        "RIFF"u8.CopyTo(header);
        Put(4, (uint)(HeaderSize - 8 + _written));
        "WAVEfmt "u8.CopyTo(header.AsSpan(8));
        Put(16, 16); // bytes of the format
        Put(20, 1 | (2 << 16)); // PCM, two channels
        Put(24, ISoundSink.Rate);
        Put(28, ISoundSink.Rate * FrameBytes);
        Put(32, FrameBytes | (16 << 16)); // bits of a sample
        "data"u8.CopyTo(header.AsSpan(36));
        Put(40, (uint)_written);
        RandomAccess.Write(_file.SafeFileHandle, header, 0);

        void Put(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(offset), value);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The sound file {Path} cannot be written any more: {Reason} The rest is left out.")]
    private static partial void LogFailed(ILogger logger, string path, string reason);
}
