namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A test that needs commands of the host; skipped by name where one is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class HostToolFactAttribute : FactAttribute
{
    public HostToolFactAttribute(params string[] tools)
    {
        string[] folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':'), "/sbin", "/usr/sbin"];
        string? missing = tools.FirstOrDefault(tool => !folders.Any(folder => File.Exists(Path.Combine(folder, tool))));
        Skip = missing is null ? null : $"The host has no {missing}.";
    }
}
