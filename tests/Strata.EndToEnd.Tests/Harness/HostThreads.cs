namespace Strata.EndToEnd.Tests.Harness;

/// <summary>The threads of this process, as the kernel lists them.</summary>
internal static class HostThreads
{
    /// <summary>Their names, sorted. A thread that ends meanwhile is left out; one that has just been joined may still be there.</summary>
    public static string[] Names() =>
        [.. Directory.EnumerateDirectories("/proc/self/task").Select(NameOf).OfType<string>().Order(StringComparer.Ordinal)];

    /// <returns>Null if the thread has ended since it was listed.</returns>
    private static string? NameOf(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).Trim();
        }
        catch (IOException) when (!File.Exists(Path.Combine(task, "comm")))
        {
            return null;
        }
    }
}
