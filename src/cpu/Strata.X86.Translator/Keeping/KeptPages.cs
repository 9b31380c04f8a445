using Strata.Core.Execution;
using Strata.Core.Memory;

namespace Strata.X86.Translator.Keeping;

/// <summary>Kept code that a translator takes over, page by page, when it first meets one.</summary>
/// <param name="Code">Of this translator's <see cref="ICodeKeeper.CodeIdentity"/>.</param>
/// <param name="Memory">The RAM whose pages it is of.</param>
public sealed record KeptPages(IKeptCode Code, GuestMemory Memory);
