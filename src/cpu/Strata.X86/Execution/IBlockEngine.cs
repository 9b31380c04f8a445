namespace Strata.X86.Execution;

/// <summary>An engine that knows how far its next unit of work goes; between runs only.</summary>
public interface IBlockEngine : IX86Engine
{
    /// <summary>Instructions it would execute from here as one block, at least 1.</summary>
    int NextBlockLength { get; }
}
