using Strata.Core.State;

namespace Strata.Devices.Input;

/// <summary>State of the keyboard controller and its keyboard.</summary>
public sealed class Ps2Controller8042State : IStateRecord<Ps2Controller8042State>
{
    public static ushort Version => 1;

    /// <summary>Bytes for port 60h that have not been read, the next one first.</summary>
    public required byte[] Output { get; set; }

    /// <summary>The controller's command byte.</summary>
    public required byte Config { get; set; }

    /// <summary>The controller's command that waits for its data; 0 for none.</summary>
    public required byte PendingCommand { get; set; }

    /// <summary>The keyboard's command that waits for its data; 0 for none.</summary>
    public required byte PendingKeyboard { get; set; }

    /// <summary>The controller's output port.</summary>
    public required byte OutputPort { get; set; }

    /// <summary>The last write went to port 64h.</summary>
    public required bool LastWasCommand { get; set; }

    public static Ps2Controller8042State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Ps2Controller8042State
        {
            Output = reader.ReadArray<byte>(nameof(Output), Ps2Controller8042.OutputLimit),
            Config = reader.Read<byte>(nameof(Config)),
            PendingCommand = reader.Read<byte>(nameof(PendingCommand)),
            PendingKeyboard = reader.Read<byte>(nameof(PendingKeyboard)),
            OutputPort = reader.Read<byte>(nameof(OutputPort)),
            LastWasCommand = reader.ReadBoolean(nameof(LastWasCommand)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<byte>(Output);
        writer.Write(Config);
        writer.Write(PendingCommand);
        writer.Write(PendingKeyboard);
        writer.Write(OutputPort);
        writer.Write(LastWasCommand);
    }
}

public sealed partial class Ps2Controller8042
{
    public string UnitName => "i8042";

    public void Reset()
    {
        lock (_gate)
        {
            _output.Clear();
            (_config, _outputPort) = (ConfigAtReset, OutputPortAtReset);
            (_pendingCommand, _pendingKeyboard, _lastWasCommand) = (0, 0, false);
            UpdateInterrupt();
        }
    }

    public Ps2Controller8042State SaveState()
    {
        lock (_gate)
        {
            return new Ps2Controller8042State
            {
                Output = [.. _output],
                Config = _config,
                PendingCommand = _pendingCommand,
                PendingKeyboard = _pendingKeyboard,
                OutputPort = _outputPort,
                LastWasCommand = _lastWasCommand,
            };
        }
    }

    public void LoadState(Ps2Controller8042State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            _output.Clear();
            Array.ForEach(state.Output, _output.Enqueue);
            _config = state.Config;
            _pendingCommand = state.PendingCommand;
            _pendingKeyboard = state.PendingKeyboard;
            _outputPort = state.OutputPort;
            _lastWasCommand = state.LastWasCommand;
            keyboardInterrupt.Restore(IsInterruptDue);
        }
    }
}
