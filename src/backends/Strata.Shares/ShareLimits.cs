namespace Strata.Shares;

/// <summary>What a guest may make the host keep for it.</summary>
/// <param name="Nodes">Files that the guest knows.</param>
/// <param name="HeldNodes">Descriptors for them.</param>
/// <param name="Handles">Files that the guest has open.</param>
/// <param name="FileSize">Bytes of one file.</param>
internal readonly record struct ShareLimits(int Nodes, int HeldNodes, int Handles, ulong FileSize = long.MaxValue);
