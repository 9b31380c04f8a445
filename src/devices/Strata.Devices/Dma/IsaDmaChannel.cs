namespace Strata.Devices.Dma;

/// <summary>
/// A DMA channel of the ISA bus as the device on it sees it. Not on a vCPU's thread under a lock that a port access takes.
/// </summary>
public sealed class IsaDmaChannel
{
    private readonly Dma8237 _dma;
    private readonly int _number;

    internal IsaDmaChannel(Dma8237 dma, int number)
    {
        _dma = dma;
        _number = number;
    }

    /// <summary>The guest lets the channel work.</summary>
    public bool IsReady => _dma.IsReady(_number);

    /// <summary>Hands bytes to memory.</summary>
    /// <param name="isTerminal">The guest's count has run out with the last byte taken.</param>
    /// <returns>How many were taken: fewer than given at the end of the count, none while the channel is masked.</returns>
    public int Write(ReadOnlySpan<byte> bytes, out bool isTerminal) => _dma.Transfer(_number, bytes, default, out isTerminal);

    /// <summary>Fetches bytes from memory.</summary>
    /// <inheritdoc cref="Write"/>
    public int Read(Span<byte> bytes, out bool isTerminal) => _dma.Transfer(_number, default, bytes, out isTerminal);
}
