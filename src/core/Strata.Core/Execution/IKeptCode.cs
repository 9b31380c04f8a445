namespace Strata.Core.Execution;

/// <summary>What an engine has made of pages of code, kept from an earlier run of the same machine. Any thread.</summary>
public interface IKeptCode : IDisposable
{
    /// <summary>Finds what was kept for a page, if the page has the bytes that it was made from.</summary>
    /// <param name="page">Index of the page in the machine's RAM.</param>
    /// <param name="bytes">The page's bytes now: 4 KiB.</param>
    /// <param name="buffer">Where it is put; replaced by a larger one if need be.</param>
    /// <param name="record">It, in the buffer. What it says is to be checked nevertheless.</param>
    /// <returns>False if there is none.</returns>
    bool TryRead(ulong page, ReadOnlySpan<byte> bytes, ref byte[] buffer, out ReadOnlySpan<byte> record);
}
