namespace Strata.Disks.Tests.Harness;

/// <summary>A test that QEMU's own tools judge; skipped by name where they are missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class QemuFactAttribute : FactAttribute
{
    public QemuFactAttribute() => Skip = QemuTools.Missing;
}

/// <inheritdoc cref="QemuFactAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class QemuTheoryAttribute : TheoryAttribute
{
    public QemuTheoryAttribute() => Skip = QemuTools.Missing;
}
