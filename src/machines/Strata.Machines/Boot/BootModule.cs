namespace Strata.Machines.Boot;

/// <summary>A file that a kernel is given beside itself, and the string that comes with it.</summary>
public sealed record BootModule(ReadOnlyMemory<byte> Content, string Text);
