using System.Runtime.InteropServices;

namespace Strata.X86.Tests.HostCpu;

/// <summary>A test that needs an x64 Linux host; skipped elsewhere.</summary>
public sealed class HostFactAttribute : FactAttribute
{
    public HostFactAttribute() => Skip = HostSupport.SkipReason;
}

/// <inheritdoc cref="HostFactAttribute"/>
public sealed class HostTheoryAttribute : TheoryAttribute
{
    public HostTheoryAttribute() => Skip = HostSupport.SkipReason;
}

/// <summary>A test that executes fused multiply-add on the host; skipped where its processor has none.</summary>
public sealed class FmaFactAttribute : FactAttribute
{
    public FmaFactAttribute() =>
        Skip = HostSupport.SkipReason ?? (System.Runtime.Intrinsics.X86.Fma.IsSupported ? null : "needs a host processor with FMA");
}

internal static class HostSupport
{
    public static string? SkipReason =>
        RuntimeInformation.ProcessArchitecture == Architecture.X64 && OperatingSystem.IsLinux() ? null : "needs an x64 Linux host";
}
