using System.Text;
using Strata.Core.Memory;
using Strata.Devices.Serial;
using Strata.Machines.Boards;
using Strata.Machines.Engines;

namespace Strata.Machines.Tests.Boards;

/// <summary>A board that runs a small guest program, and what the program prints.</summary>
internal sealed class GuestBoard : ISerialBackend, IDisposable
{
    public const ulong MemorySize = 16 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly StringBuilder _printed = new(); // under itself

    /// <param name="engine">Its name.</param>
    /// <param name="kernel">A multiboot image; null for a guest that is in the memory already.</param>
    /// <param name="memory">The board's RAM; null for new one.</param>
    public GuestBoard(string engine, byte[]? kernel, int processors = 1, GuestMemory? memory = null, bool endsOnReset = false) =>
        Board = new PcBoard(
        new PcBoardOptions
        {
            MemorySize = MemorySize,
            CreateMemory = size => memory ?? new GuestMemory(size),
            Processors = processors,
            Engine = EngineRegistry.Find(engine)!,
            Serial = this,
            HasSockets = true,
            HasTestDevices = true,
            StartTime = DateTime.UnixEpoch,
            Kernel = kernel,
            EndsOnReset = _ => endsOnReset,
        });

    public PcBoard Board { get; }

    public string Printed
    {
        get
        {
            lock (_printed)
            {
                return _printed.ToString();
            }
        }
    }

    public static async Task WaitUntilAsync(Func<bool> condition)
    {
        using CancellationTokenSource timeout = new(Patience);
        while (!condition())
        {
            await Task.Delay(1, timeout.Token);
        }
    }

    public Task<MachineExit> WaitForExitAsync() => Board.Exit.WaitAsync(Patience);

    /// <summary>New memory with the same bytes.</summary>
    public GuestMemory CopyMemory()
    {
        GuestMemory copy = new(MemorySize);
        Board.Ram.Slice(0, (int)MemorySize).CopyTo(copy.Slice(0, (int)MemorySize));
        return copy;
    }

    public void Dispose() => Board.Dispose();

    void ISerialBackend.Write(ReadOnlySpan<byte> bytes)
    {
        lock (_printed)
        {
            _printed.Append(Encoding.ASCII.GetString(bytes));
        }
    }
}
