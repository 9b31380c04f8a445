namespace Strata.Images;

/// <summary>The images that there are.</summary>
public static class GuestImages
{
    /// <param name="cache">Where they are kept, or null for the user's cache.</param>
    public static IReadOnlyList<GuestImage> All(ImageCache? cache = null) =>
        [new DebianTiny(cache), new DebianImage(cache), new DebianBootable(cache)];

    /// <exception cref="StrataException">There is none with that name.</exception>
    public static GuestImage Find(string imageName, ImageCache? cache = null)
    {
        IReadOnlyList<GuestImage> all = All(cache);
        return all.FirstOrDefault(image => image.ImageName == imageName)
            ?? throw new StrataException(
                StrataError.BadInput,
                $"There is no image \"{imageName}\", and no file of that name; there are " +
                $"{string.Join(", ", all.Select(image => image.ImageName))}.");
    }
}
