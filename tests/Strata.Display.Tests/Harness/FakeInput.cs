using System.Collections.Concurrent;
using Strata.Core.Input;

namespace Strata.Display.Tests.Harness;

/// <summary>A keyboard, a mouse and a tablet that write down what they are told.</summary>
internal sealed class FakeInput : IKeyboard, IPointer, ITablet
{
    private readonly ConcurrentQueue<string> _events = new();

    /// <summary>Whether the guest asks for keys.</summary>
    public bool IsTaken { get; set; } = true;

    public IEnumerable<string> Events => _events;

    public bool IsIdle => IsTaken;

    /// <summary>Whether the guest has set the tablet up.</summary>
    public bool IsReady { get; set; }

    public KeyboardLamps Lamps => KeyboardLamps.None;

    public bool Send(KeyCode key, bool pressed)
    {
        if (IsTaken)
        {
            _events.Enqueue($"{(pressed ? '+' : '-')}{key}");
        }

        return IsTaken;
    }

    public void Move(int x, int y, int wheel, PointerButtons buttons) => _events.Enqueue($"{x},{y},{wheel},{buttons}");

    public void MoveTo(int x, int y, int wheel, PointerButtons buttons) => _events.Enqueue($"at {x},{y},{wheel},{buttons}");

    /// <summary>Waits until so many events are there.</summary>
    public async Task<string[]> TakeAsync(int count)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        while (_events.Count < count)
        {
            await Task.Delay(5, limit.Token);
        }

        return [.. _events];
    }
}
