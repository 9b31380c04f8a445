using Strata.Cli;

namespace Strata.Tests;

/// <summary>Input that waits for a guest's program to read.</summary>
public sealed class HeldInputTests
{
    private readonly List<byte> _typed = [];
    private readonly TaskCompletionSource _reader = new();
    private readonly HeldInput _input;

    public HeldInputTests() => _input = new HeldInput(
        bytes =>
        {
            _typed.AddRange(bytes.Span);
            return Task.CompletedTask;
        },
        _reader.Task);

    [Fact]
    public async Task Type_NobodyReads_Waits()
    {
        await _input.TypeAsync([1, 2]);

        Assert.Empty(_typed);
    }

    [Fact]
    public async Task Type_SomebodyReadsLater_ComesInOrder()
    {
        await _input.TypeAsync([1, 2]);
        await _input.TypeAsync([3]);

        _reader.SetResult();
        await _input.Released;
        await _input.TypeAsync([4]);

        Assert.Equal([1, 2, 3, 4], _typed);
    }

    [Fact]
    public async Task Type_ReaderCannotBeWaitedFor_IsTypedAllTheSame()
    {
        await _input.TypeAsync([1]);

        _reader.SetException(new StrataException("The agent is an older one."));
        await _input.Released;
        await _input.TypeAsync([2]);

        Assert.Equal([1, 2], _typed);
    }

    [Fact]
    public async Task Type_MoreThanIsHeld_WaitsForTheReader()
    {
        Task typing = _input.TypeAsync(new byte[100_000]);
        Assert.False(typing.IsCompleted);

        _reader.SetResult();
        await typing;

        Assert.Equal(100_000, _typed.Count);
    }
}
