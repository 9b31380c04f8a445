namespace Strata.Core.State;

/// <summary>What one unit saved.</summary>
/// <param name="UnitName">As <see cref="IUnit.UnitName"/>.</param>
/// <param name="Bytes">What its <see cref="IUnit.Save"/> wrote.</param>
public sealed record UnitRecord(string UnitName, ReadOnlyMemory<byte> Bytes);
