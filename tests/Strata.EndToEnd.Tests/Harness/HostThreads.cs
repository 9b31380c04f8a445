namespace Strata.EndToEnd.Tests.Harness;

/// <summary>The threads of this process, as the kernel lists them.</summary>
internal static class HostThreads
{
    /// <summary>Their names, sorted. A thread that ends meanwhile is left out; one that has just been joined may still be there.</summary>
    public static string[] Names() =>
        [.. Directory.EnumerateDirectories("/proc/self/task").Select(NameOf).OfType<string>().Order(StringComparer.Ordinal)];

    /// <summary>Name and state of each thread of a process, and where in the host's kernel it waits.</summary>
    public static string[] Describe(int process) =>
        [.. Directory.EnumerateDirectories($"/proc/{process}/task")
            .Select(task => $"{NameOf(task)} {Read(task, "stat").Split(')')[^1].Split(' ').ElementAtOrDefault(1)} {Read(task, "wchan")}")
            .Order(StringComparer.Ordinal)];

    private static string Read(string task, string file)
    {
        string path = Path.Combine(task, file);
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException) when (!File.Exists(path))
        {
            return string.Empty;
        }
    }

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
