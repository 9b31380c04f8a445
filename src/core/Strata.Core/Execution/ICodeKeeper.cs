using Strata.Core.Memory;

namespace Strata.Core.Execution;

/// <summary>An engine whose work on pages of code can be kept, and taken over by another one of the same kind.</summary>
public interface ICodeKeeper
{
    /// <summary>
    /// Says which kept code it can take over: it depends on the engine's version, how it works, and the host's processor.
    /// </summary>
    ReadOnlyMemory<byte> CodeIdentity { get; }

    /// <summary>Notes what there is now, while the vCPU stands still. Costs nothing much; the vCPU may go on.</summary>
    /// <param name="memory">The machine's RAM; code elsewhere is not kept.</param>
    ICodeCapture CaptureCode(GuestMemory memory);
}

/// <summary>
/// The code of a moment, to be read while the vCPU goes on. What the engine drops meanwhile is missing. One thread at a time, which may be
/// any.
/// </summary>
public interface ICodeCapture
{
    /// <summary>The pages that there is code of, and a measure of how much.</summary>
    IReadOnlyList<(ulong Page, int Amount)> Pages { get; }

    /// <summary>Writes what is kept of a page, made from the bytes that the page had at that moment.</summary>
    /// <param name="index">In <see cref="Pages"/>.</param>
    /// <returns>False if there is nothing any more.</returns>
    bool TryWrite(int index, Stream to);

    /// <summary>Whether what was written holds; false if the engine has dropped everything meanwhile: then forget it.</summary>
    bool IsWhole { get; }
}
