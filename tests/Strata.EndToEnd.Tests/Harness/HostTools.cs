namespace Strata.EndToEnd.Tests.Harness;

/// <summary>Which commands the host has.</summary>
internal static class HostTools
{
    /// <returns>Which command is missing, as a sentence; null if all are there.</returns>
    public static string? ReasonToSkip(IReadOnlyList<string> tools)
    {
        string[] folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':'), "/sbin", "/usr/sbin"];
        string? missing = tools.FirstOrDefault(tool => !folders.Any(folder => File.Exists(Path.Combine(folder, tool))));
        return missing is null ? null : $"The host has no {missing}.";
    }
}
