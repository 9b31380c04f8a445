namespace Strata.Core.Memory;

/// <summary>What a <see cref="GuestMemory"/> is a mapping of.</summary>
public enum MemoryForm
{
    /// <summary>Zeros, of this process alone. The default: only this form gets huge pages.</summary>
    Anonymous,

    /// <summary>A memory file (memfd) that others can map too: what is written here is seen there.</summary>
    Shared,

    /// <summary>A file's bytes, read when they are touched; what is written stays here.</summary>
    Private,
}
