using Strata.Core.State;

namespace Strata.Virtio.Console;

/// <summary>What a console remembers beside its queues.</summary>
public sealed class VirtioConsoleState : IStateRecord<VirtioConsoleState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>The driver has opened the port.</summary>
    public required bool IsOpen { get; set; }

    /// <summary>Control messages that the driver has not taken: event in bits 31 to 16, value in bits 15 to 0.</summary>
    public required uint[] Messages { get; set; }

    /// <summary>Bytes typed that the guest has not taken.</summary>
    public required byte[] Input { get; set; }

    /// <inheritdoc/>
    public static VirtioConsoleState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new VirtioConsoleState
        {
            IsOpen = reader.ReadBoolean(nameof(IsOpen)),
            Messages = reader.ReadArray<uint>(nameof(Messages), VirtioConsole.MostMessages),
            Input = reader.ReadBytes(nameof(Input), VirtioConsole.InputCapacity),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(IsOpen);
        writer.WriteArray<uint>(Messages);
        writer.WriteBytes(Input);
    }
}

/// <content>The console as a unit of state.</content>
public sealed partial class VirtioConsole
{
    /// <inheritdoc/>
    public override void Reset() => LoadState(new VirtioConsoleState { IsOpen = false, Messages = [], Input = [] });

    /// <inheritdoc/>
    public override VirtioConsoleState SaveState()
    {
        lock (Gate)
        {
            lock (_input)
            {
                return new VirtioConsoleState
                {
                    IsOpen = _isOpen,
                    Messages = [.. _messages.Select(message => ((uint)message.Event << 16) | message.Value)],
                    Input = [.. _input],
                };
            }
        }
    }

    /// <inheritdoc/>
    public override void LoadState(VirtioConsoleState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (Gate)
        {
            _isOpen = state.IsOpen;
            _messages.Clear();
            foreach (uint message in state.Messages)
            {
                _messages.Enqueue(((ushort)(message >> 16), (ushort)message));
            }

            lock (_input)
            {
                _input.Clear();
                foreach (byte value in state.Input)
                {
                    _input.Enqueue(value);
                }
            }
        }
    }
}
