using Strata.Core.State;

namespace Strata.Devices.Input;

/// <summary>State of the keyboard controller, its keyboard and its mouse.</summary>
public sealed class Ps2Controller8042State : IStateRecord<Ps2Controller8042State>
{
    /// <summary>Version 1 had a keyboard without keys, and no mouse.</summary>
    public static ushort Version => 2;

    /// <summary>Bytes for port 60h that the controller has made, the next one first.</summary>
    public required byte[] Output { get; set; }

    /// <summary>The same, to be taken for the mouse's.</summary>
    public required byte[] MouseOutput { get; set; }

    /// <summary>The controller's command byte.</summary>
    public required byte Config { get; set; }

    /// <summary>The controller's command that waits for its data; 0 for none.</summary>
    public required byte PendingCommand { get; set; }

    /// <summary>The controller's output port.</summary>
    public required byte OutputPort { get; set; }

    /// <summary>The last write went to port 64h.</summary>
    public required bool LastWasCommand { get; set; }

    /// <summary>A byte waits at port 60h.</summary>
    public required bool IsFull { get; set; }

    /// <summary>It is the mouse's.</summary>
    public required bool IsFromMouse { get; set; }

    /// <summary>The byte that port 60h reads.</summary>
    public required byte Buffer { get; set; }

    /// <summary>The translation has held back F0h.</summary>
    public required bool SawBreak { get; set; }

    public required Ps2KeyboardState Keyboard { get; set; }

    public required Ps2MouseState Mouse { get; set; }

    public static Ps2Controller8042State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return version == 1 ? ReadFirst(reader) : new Ps2Controller8042State
        {
            Output = reader.ReadArray<byte>(nameof(Output), Ps2Controller8042.OutputLimit),
            MouseOutput = reader.ReadArray<byte>(nameof(MouseOutput), Ps2Controller8042.OutputLimit),
            Config = reader.Read<byte>(nameof(Config)),
            PendingCommand = reader.Read<byte>(nameof(PendingCommand)),
            OutputPort = reader.Read<byte>(nameof(OutputPort)),
            LastWasCommand = reader.ReadBoolean(nameof(LastWasCommand)),
            IsFull = reader.ReadBoolean(nameof(IsFull)),
            IsFromMouse = reader.ReadBoolean(nameof(IsFromMouse)),
            Buffer = reader.Read<byte>(nameof(Buffer)),
            SawBreak = reader.ReadBoolean(nameof(SawBreak)),
            Keyboard = reader.ReadRecord<Ps2KeyboardState>(),
            Mouse = reader.ReadRecord<Ps2MouseState>(),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<byte>(Output);
        writer.WriteArray<byte>(MouseOutput);
        writer.Write(Config);
        writer.Write(PendingCommand);
        writer.Write(OutputPort);
        writer.Write(LastWasCommand);
        writer.Write(IsFull);
        writer.Write(IsFromMouse);
        writer.Write(Buffer);
        writer.Write(SawBreak);
        writer.WriteRecord(Keyboard);
        writer.WriteRecord(Mouse);
    }

    /// <summary>
    /// What a controller of version 1 had to be read comes from the controller itself: it was translated, and in one queue.
    /// </summary>
    private static Ps2Controller8042State ReadFirst(StateReader reader)
    {
        byte[] output = reader.ReadArray<byte>(nameof(Output), Ps2Controller8042.OutputLimit);
        byte config = reader.Read<byte>(nameof(Config));
        byte pendingCommand = reader.Read<byte>(nameof(PendingCommand));
        Ps2KeyboardState keyboard = Ps2KeyboardState.AtReset();
        keyboard.Pending = reader.Read<byte>("PendingKeyboard");
        return new Ps2Controller8042State
        {
            Output = output is [_, .. var rest] ? rest : [],
            MouseOutput = [],
            Config = config,
            PendingCommand = pendingCommand,
            OutputPort = reader.Read<byte>(nameof(OutputPort)),
            LastWasCommand = reader.ReadBoolean(nameof(LastWasCommand)),
            IsFull = output.Length > 0,
            IsFromMouse = false,
            Buffer = output.FirstOrDefault(),
            SawBreak = false,
            Keyboard = keyboard,
            Mouse = Ps2MouseState.AtReset(),
        };
    }
}

public sealed partial class Ps2Controller8042
{
    public string UnitName => "i8042";

    public void Reset()
    {
        lock (_gate)
        {
            _replies.Clear();
            _mouseReplies.Clear();
            (_config, _outputPort) = (ConfigAtReset, OutputPortAtReset);
            (_pendingCommand, _lastWasCommand, _isFull, _isFromMouse, _buffer, _sawBreak) = (0, false, false, false, 0, false);
            LetGo();
            _keyboard.Reset();
            _mouse.Reset();
            Update();
        }
    }

    public Ps2Controller8042State SaveState()
    {
        lock (_gate)
        {
            return new Ps2Controller8042State
            {
                Output = [.. _replies],
                MouseOutput = [.. _mouseReplies],
                Config = _config,
                PendingCommand = _pendingCommand,
                OutputPort = _outputPort,
                LastWasCommand = _lastWasCommand,
                IsFull = _isFull,
                IsFromMouse = _isFromMouse,
                Buffer = _buffer,
                SawBreak = _sawBreak,
                Keyboard = Ps2KeyboardState.Of(_keyboard),
                Mouse = Ps2MouseState.Of(_mouse),
            };
        }
    }

    public void LoadState(Ps2Controller8042State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            LetGo(); // nobody holds a key of another time
            Replace(_replies, state.Output);
            Replace(_mouseReplies, state.MouseOutput);
            (_config, _pendingCommand, _outputPort) = (state.Config, state.PendingCommand, state.OutputPort);
            (_lastWasCommand, _isFull, _isFromMouse) = (state.LastWasCommand, state.IsFull, state.IsFromMouse);
            (_buffer, _sawBreak) = (state.Buffer, state.SawBreak);
            state.Keyboard.CopyTo(_keyboard);
            state.Mouse.CopyTo(_mouse);
            _keyboardLine.Restore(IsKeyboardInterruptDue);
            _mouseLine?.Restore(IsMouseInterruptDue);
        }
    }

    internal static void Replace(Queue<byte> queue, byte[] bytes)
    {
        queue.Clear();
        Array.ForEach(bytes, queue.Enqueue);
    }
}
