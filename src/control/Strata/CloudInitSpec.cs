using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Strata.Core.Storage;
using Strata.Disks.Discs;

namespace Strata;

/// <summary>
/// What cloud-init in the guest is told, by a disc that it looks for (its data source NoCloud): the files' texts, so that a machine which
/// is restored elsewhere has the same disc.
/// </summary>
public sealed record CloudInitSpec
{
    /// <summary>What <see cref="LoadAsync"/> understands, for help texts.</summary>
    public const string Syntax = "USER-DATA[,META-DATA[,NETWORK-CONFIG]]";

    /// <summary>Bytes of all texts together.</summary>
    public const int LargestText = 256 << 10;

    private const string Label = "cidata";
    private const int MostFiles = 3;

    /// <summary>Those of ASCII that no text needs.</summary>
    private static readonly SearchValues<char> Unprintable =
        SearchValues.Create([.. Enumerable.Range(0, ' ').Select(code => (char)code).Except(['\n', '\r', '\t']), '\x7F']);

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>What is to be done: a "#cloud-config", a script, or several of them as MIME parts.</summary>
    public string UserData { get; init; } = string.Empty;

    /// <summary>
    /// Who the machine is; null for an instance-id that follows from the other texts, so that cloud-init begins anew where they change.
    /// </summary>
    public string? MetaData { get; init; }

    /// <summary>How the network is set up; null for DHCP, as cloud-init does by itself.</summary>
    public string? NetworkConfig { get; init; }

    /// <summary>Reads the files that <see cref="Syntax"/> names; a comma in a path is written twice.</summary>
    /// <exception cref="StrataException">A file cannot be read, is no text, or is too large.</exception>
    public static async Task<CloudInitSpec> LoadAsync(string text, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] paths = OptionList.Split(text);
        if (paths.Length > MostFiles || paths.Contains(string.Empty))
        {
            throw new StrataException(
                StrataError.BadInput, $"\"{text}\" names no files for cloud-init; write {Syntax}; {OptionList.Escape}.");
        }

        string?[] texts = new string?[MostFiles];
        for (int i = 0; i < paths.Length; i++)
        {
            texts[i] = await ReadAsync(paths[i], cancellationToken).ConfigureAwait(false);
        }

        CloudInitSpec spec = new() { UserData = texts[0]!, MetaData = texts[1], NetworkConfig = texts[2] };
        spec.Check();
        return spec;
    }

    /// <exception cref="StrataException">A disc cannot hold these texts, or a specification them.</exception>
    internal void Check()
    {
        foreach ((string name, string content) in Texts())
        {
            if (content.AsSpan().IndexOfAny(Unprintable) is >= 0 and var at)
            {
                throw new StrataException(
                    StrataError.BadInput,
                    $"The {name} for cloud-init has the control character {(int)content[at]:X2}h; give a plain text.");
            }
        }

        long size = Texts().Sum(text => (long)Encoding.UTF8.GetByteCount(text.Content));
        if (size > LargestText)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"The texts for cloud-init have {size:N0} bytes; at most {LargestText >> 10} KiB are possible: let them fetch the rest.");
        }
    }

    /// <summary>The disc: the same bytes for the same texts.</summary>
    internal IBlockBackend CreateDisc() => new MemoryDisc(Iso9660Disc.Create(
        Label, [.. Texts().Select(text => new DiscFile(text.Name, Encoding.UTF8.GetBytes(text.Content)))]));

    private static async Task<string> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0, FileOptions.Asynchronous);
            await using (file.ConfigureAwait(false))
            {
                byte[] content = new byte[LargestText + 1];
                int length = await file.ReadAtLeastAsync(content, content.Length, throwOnEndOfStream: false, cancellationToken)
                    .ConfigureAwait(false);
                return length <= LargestText
                    ? Strict.GetString(content.AsSpan(0, length)).TrimStart('\uFEFF') // cloud-init does not know the mark
                    : throw new StrataException(
                        StrataError.BadInput,
                        $"The file {path} for cloud-init has more than {LargestText >> 10} KiB; check the path, or let it fetch the rest.");
            }
        }
        catch (DecoderFallbackException error)
        {
            throw new StrataException(
                StrataError.BadInput, $"The file {path} for cloud-init is no text in UTF-8; give it uncompressed.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StrataException(
                StrataError.BadInput, $"The file {path} for cloud-init cannot be read: {error.Message} Check the path.", error);
        }
    }

    /// <summary>The files of the disc. cloud-init asks for vendor-data too, and complains where there is none.</summary>
    private IEnumerable<(string Name, string Content)> Texts()
    {
        yield return ("user-data", UserData);
        yield return ("meta-data", MetaData ?? $"instance-id: strata-{Convert.ToHexStringLower(Fingerprint())}\n");
        yield return ("vendor-data", string.Empty);
        if (NetworkConfig is { } network)
        {
            yield return ("network-config", network);
        }
    }

    private byte[] Fingerprint()
    {
        const int length = 8;
        return SHA256.HashData(Encoding.UTF8.GetBytes($"{UserData}\0{NetworkConfig}"))[..length];
    }
}
