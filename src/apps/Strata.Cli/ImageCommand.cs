using System.CommandLine;
using System.Globalization;
using System.Text;
using Strata.Images;

namespace Strata.Cli;

/// <summary>`strata image`: what can be run, and the cache it is kept in.</summary>
internal static class ImageCommand
{
    /// <summary>Bytes; what fits onto a command line is far less.</summary>
    private const int LargestKeyFile = 64 << 10;

    public static Command Create() => new DocumentedCommand("image", "List, build and remove the images that can be run.", """
        They are built on this host, from Debian's packages and without root, and kept in ~/.cache/strata ($XDG_CACHE_HOME/strata).
        `strata run` builds an image that is not there: debian-tiny takes seconds, debian takes minutes. A package that
        cannot be fetched, or a tool that is missing, is exit code 1.

        Examples:
          strata image list
          strata image pull debian           ready before the first run, such as in CI
        """)
    {
        CreateList(),
        CreateBuild(
            "pull", "Make sure that an image is in the cache; does nothing if it is there.",
            (image, token) => image.EnsureAsync(LineProgress.ForTerminal(), token)),
        CreateBuild(
            "build", "Build an image anew. The old one serves until the new one is complete.",
            (image, token) => image.BuildAsync(LineProgress.ForTerminal(), token),
            canBeBootable: true),
        CreateRemove(),
    };

    /// <summary>What the options of `strata run` tell a system.</summary>
    /// <param name="setup">What holds where an option says nothing.</param>
    /// <exception cref="StrataException">The key file cannot be read.</exception>
    public static GuestSetup ReadSetup(GuestSetup setup, string? hostName, string? timeZone, string? keyFile)
    {
        try
        {
            return new GuestSetup
            {
                HostName = hostName ?? setup.HostName,
                TimeZone = timeZone ?? setup.TimeZone,
                SshKeys = keyFile is null ? setup.SshKeys : ReadKeys(keyFile),
            };
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StrataException(StrataError.BadInput, $"The SSH key file {keyFile} cannot be read: {error.Message}", error);
        }
    }

    private static string ReadKeys(string path)
    {
        using FileStream file = File.OpenRead(path);
        byte[] content = new byte[LargestKeyFile];
        int length = file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
        return length < content.Length
            ? Encoding.UTF8.GetString(content.AsSpan(0, length))
            : throw new StrataException(
                StrataError.BadInput,
                $"The SSH key file {path} has more than {LargestKeyFile >> 10} KiB; give a public key such as ~/.ssh/id_ed25519.pub.");
    }

    private static DocumentedCommand CreateBuild(
        string verb, string description, Func<GuestImage, CancellationToken, Task> build, bool canBeBootable = false)
    {
        Option<bool> bootable = new("--bootable")
        {
            Description = "With debian: a disk that firmware starts, here and elsewhere; the image debian-bootable.",
        };
        Argument<string> name = new("image")
        {
            Description = "debian, debian-tiny or debian-bootable.",
            DefaultValueFactory = _ => DebianTiny.Name,
        };
        DocumentedCommand command = new(verb, description, $"Example: strata image {verb} debian") { name };
        if (canBeBootable)
        {
            command.Add(bootable);
        }

        command.SetAction(async (result, token) =>
        {
            await build(GuestImages.Find(Bootable(result.GetValue(name)!, canBeBootable && result.GetValue(bootable))), token);
            return ExitCodes.Success;
        });
        return command;
    }

    private static string Bootable(string name, bool isAsked) => (isAsked, name) switch
    {
        (false, _) => name,
        (true, DebianImage.Name or DebianBootable.Name) => DebianBootable.Name,
        _ => throw new StrataException(StrataError.BadInput, $"{name} has no disk that could start; --bootable is for {DebianImage.Name}."),
    };

    private static DocumentedCommand CreateRemove()
    {
        Argument<string> name = new("image") { Description = "debian, debian-tiny or debian-bootable." };
        DocumentedCommand command = new(
            "remove", "Remove an image from the cache. Machines that were kept do not need it.",
            "Example: strata image remove debian") { name };
        command.SetAction(async (result, token) =>
        {
            GuestImage image = GuestImages.Find(result.GetValue(name)!);
            bool removed = await image.RemoveAsync(token);
            Console.Error.WriteLine(
                removed
                    ? $"strata: {image.ImageName} is removed from {image.Folder}."
                    : $"strata: {image.ImageName} was not in the cache.");
            return ExitCodes.Success;
        });
        return command;
    }

    private static DocumentedCommand CreateList()
    {
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new(
            "list", "List images, and what of them is in the cache.", "Example: strata image list --output json") { output };
        command.SetAction(async (result, token) =>
        {
            List<ImageRow> rows = [];
            foreach (GuestImage image in GuestImages.All())
            {
                rows.Add(new ImageRow(
                    image.ImageName, image.Description, image.IsCached, await image.MeasureAsync(token), image.Built, image.Folder));
            }

            if (OutputOption.IsJson(result, output))
            {
                OutputOption.WriteJson(rows);
            }
            else
            {
                Console.WriteLine(Format(rows));
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static string Format(List<ImageRow> rows) => string.Join('\n', rows.Select(row =>
    {
        string state = row.IsCached
            ? string.Create(CultureInfo.InvariantCulture, $"{row.Bytes >> 20,5} MiB  built {row.Built:yyyy-MM-dd HH:mm} UTC")
            : $"not in the cache: strata image pull {row.Name}";
        return $"{row.Name,-12} {row.Description}\n             {state}";
    }));
}

/// <summary>An image in a list, in the form that programs read.</summary>
/// <param name="Bytes">On the host's disk.</param>
/// <param name="Built">UTC; null if the image is not in the cache.</param>
internal sealed record ImageRow(string Name, string Description, bool IsCached, long Bytes, DateTime? Built, string Folder);
