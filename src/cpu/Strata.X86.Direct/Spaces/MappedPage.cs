using Strata.X86.Direct.Stub;

namespace Strata.X86.Direct.Spaces;

/// <summary>A guest page in a stub.</summary>
/// <param name="RamPage">Index in the guest's RAM.</param>
internal readonly record struct MappedPage(ulong RamPage, PageRights Rights);

/// <summary>Finds what the guest's tables have at a page of an address space, with the rights that need no note of a write.</summary>
/// <param name="page">Number of the page.</param>
internal delegate bool PageLookup(ulong page, out MappedPage found);
