namespace Strata;

/// <summary>
/// A file that a guest is started from, kept open: it is read again when the guest starts again, and is still there when another one has
/// taken its place, as after the build of an image. What has no length, such as a pipe, is kept as bytes.
/// </summary>
internal sealed class BootFile : IDisposable
{
    /// <summary>Bytes that something without a length is read by.</summary>
    private const int ReadUnit = 1 << 20;

    private readonly string _path;
    private readonly string _what;
    private readonly FileStream? _file;
    private readonly DateTime _changed;
    private readonly byte[] _bytes = [];

    private BootFile(string path, string what, byte[] bytes)
    {
        (_path, _what, _bytes) = (path, what, bytes);
        Length = bytes.Length;
    }

    private BootFile(string path, string what, FileStream file)
    {
        (_path, _what, _file) = (path, what, file);
        Length = (int)file.Length;
        _changed = File.GetLastWriteTimeUtc(file.SafeFileHandle);
    }

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <param name="what">Names it in messages.</param>
    /// <param name="memory">The machine's, in bytes: the file must fit into it, as a device or a pipe may go on for ever.</param>
    /// <exception cref="StrataException">It cannot be read, or does not fit.</exception>
    public static async Task<BootFile> OpenAsync(string path, string what, ulong memory, CancellationToken cancellationToken)
    {
        FileStream? file = null;
        try
        {
            // Nobody is kept from writing to it: that it has changed is noticed when it is read again.
            file = new FileStream(
                path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0, FileOptions.Asynchronous);
            long limit = (long)Math.Min(memory, (ulong)Array.MaxLength);
            BootFile result = !file.CanSeek || file.Length == 0
                ? new BootFile(path, what, await ReadToEndAsync(file, limit, cancellationToken).ConfigureAwait(false))
                : file.Length <= limit ? new BootFile(path, what, file) : throw new EndOfStreamException();
            file = result._file is null ? file : null; // it is the result's
            return result;
        }
        catch (EndOfStreamException error)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"The {what} {path} does not fit into {memory >> 20} MiB of memory: give the machine more, or check the path.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StrataException(StrataError.BadInput, $"The {what} {path} cannot be read: {error.Message} Check the path.", error);
        }
        finally
        {
            file?.Dispose();
        }
    }

    /// <summary>Reads it whole.</summary>
    /// <param name="place"><see cref="Length"/> bytes.</param>
    /// <exception cref="StrataException">It cannot be read, or is not what it was when it was opened.</exception>
    public async Task ReadAsync(Memory<byte> place, CancellationToken cancellationToken)
    {
        if (_file is null)
        {
            _bytes.CopyTo(place);
            return;
        }

        int done = 0;
        try
        {
            int count;
            while (done < place.Length
                && (count = await RandomAccess.ReadAsync(
                    _file.SafeFileHandle, place[done..], done, cancellationToken).ConfigureAwait(false)) > 0)
            {
                done += count;
            }
        }
        catch (IOException error)
        {
            throw new StrataException(StrataError.BadInput, $"The {_what} {_path} cannot be read: {error.Message} Check the path.", error);
        }

        if (done < place.Length
            || RandomAccess.GetLength(_file.SafeFileHandle) != Length
            || File.GetLastWriteTimeUtc(_file.SafeFileHandle) != _changed)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"The {_what} {_path} has been written to since the machine was started from it: start the machine anew, and put new " +
                $"files in the place of old ones.");
        }
    }

    public void Dispose() => _file?.Dispose();

    /// <exception cref="EndOfStreamException">It is larger than the limit.</exception>
    private static async Task<byte[]> ReadToEndAsync(FileStream file, long limit, CancellationToken cancellationToken)
    {
        using MemoryStream content = new();
        byte[] buffer = new byte[ReadUnit];
        int count;
        while ((count = await file.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (content.Length + count > limit)
            {
                throw new EndOfStreamException();
            }

            content.Write(buffer, 0, count);
        }

        return content.ToArray();
    }
}
