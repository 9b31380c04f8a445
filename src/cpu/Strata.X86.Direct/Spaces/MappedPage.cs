using Strata.X86.Direct.Stub;

namespace Strata.X86.Direct.Spaces;

/// <summary>A guest page in a stub.</summary>
/// <param name="RamPage">Index in the guest's RAM.</param>
internal readonly record struct MappedPage(ulong RamPage, PageRights Rights);
