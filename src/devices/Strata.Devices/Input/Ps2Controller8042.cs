using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Devices.Power;

namespace Strata.Devices.Input;

/// <summary>
/// The 8042 keyboard controller with a keyboard that answers but has no keys pressed, ports 0x60 and 0x64.
/// It also resets the machine: command 0xFE pulses the processor's reset line.
/// </summary>
public sealed partial class Ps2Controller8042(IMachineControl control, InterruptLine keyboardInterrupt)
    : IPortDevice, IUnit<Ps2Controller8042State>
{
    private const byte OutputFull = 1;
    private const byte SystemFlag = 4;
    private const byte CommandFlag = 8;
    private const byte ConfigInterrupt = 1;
    private const byte ConfigKeyboardDisabled = 0x10;
    private const byte ConfigMouseDisabled = 0x20;
    private const byte Acknowledge = 0xFA;
    private const byte Echo = 0xEE;
    private const byte OutputReset = 1; // active low
    private const byte ConfigAtReset = ConfigInterrupt | 4 | ConfigMouseDisabled | 0x40;
    private const byte OutputPortAtReset = 3;
    internal const int OutputLimit = 16;

    // Guest-visible state
    private readonly Lock _gate = new();
    private readonly Queue<byte> _output = new();
    private byte _config = ConfigAtReset;
    private byte _pendingCommand;
    private byte _pendingKeyboard;
    private byte _outputPort = OutputPortAtReset;
    private bool _lastWasCommand;

    /// <summary>The port 0x60 and 0x64 view: map it at 0x60 for one port and at 0x64 for one port through <see cref="Status"/>.</summary>
    public IPortDevice Status => new StatusPort(this);

    /// <summary>Port 0x60.</summary>
    public uint ReadPort(ushort offset, AccessWidth width)
    {
        lock (_gate)
        {
            byte value = _output.Count > 0 ? _output.Dequeue() : (byte)0;
            keyboardInterrupt.Set(false);
            UpdateInterrupt();
            return value;
        }
    }

    /// <summary>Port 0x60.</summary>
    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        bool reset;
        lock (_gate)
        {
            _lastWasCommand = false;
            reset = _pendingCommand == 0xD1 && (value & OutputReset) == 0;
            WriteData((byte)value);
            UpdateInterrupt();
        }

        if (reset)
        {
            ResetMachine();
        }
    }

    private void Push(byte value)
    {
        if (_output.Count < OutputLimit)
        {
            _output.Enqueue(value);
        }
    }

    private bool IsInterruptDue => _output.Count > 0 && (_config & (ConfigInterrupt | ConfigKeyboardDisabled)) == ConfigInterrupt;

    private void UpdateInterrupt() => keyboardInterrupt.Set(IsInterruptDue);

    private void WriteData(byte value)
    {
        switch (_pendingCommand)
        {
            case 0x60:
                _config = value;
                break;
            case 0xD1:
                _outputPort = (byte)(value | OutputReset);
                break;
            case 0xD2 or 0xD3:
                Push(value);
                break;
            case 0xD4:
                break; // no mouse: nobody answers
            default:
                WriteKeyboard(value);
                break;
        }

        _pendingCommand = 0;
    }

    private void WriteKeyboard(byte value)
    {
        if (_pendingKeyboard != 0)
        {
            bool asksScanSet = _pendingKeyboard == 0xF0 && value == 0;
            _pendingKeyboard = 0;
            Push(Acknowledge);
            if (asksScanSet)
            {
                Push(2);
            }

            return;
        }

        Push(value == Echo ? Echo : Acknowledge);
        switch (value)
        {
            case 0xED or 0xF0 or 0xF3:
                _pendingKeyboard = value;
                break;
            case 0xF2:
                Push(0xAB);
                Push(0x83);
                break;
            case 0xFF:
                Push(0xAA);
                break;
            default:
                break;
        }
    }

    private bool WriteCommand(byte command)
    {
        _lastWasCommand = true;
        _pendingCommand = 0;
        switch (command)
        {
            case 0x20:
                Push(_config);
                break;
            case 0x60 or 0xD1 or 0xD2 or 0xD3 or 0xD4:
                _pendingCommand = command;
                break;
            case 0xA7:
                _config |= ConfigMouseDisabled;
                break;
            case 0xA8:
                _config &= unchecked((byte)~ConfigMouseDisabled);
                break;
            case 0xA9:
                Push(1); // mouse port: clock line stuck, there is no mouse
                break;
            case 0xAA:
                Push(0x55);
                break;
            case 0xAB:
                Push(0);
                break;
            case 0xAD:
                _config |= ConfigKeyboardDisabled;
                break;
            case 0xAE:
                _config &= unchecked((byte)~ConfigKeyboardDisabled);
                break;
            case 0xC0:
                Push(0x80);
                break;
            case 0xD0:
                Push(_outputPort);
                break;
            case >= 0xF0 when (command & 1) == 0:
                return true;
            default:
                break;
        }

        return false;
    }

    private void ResetMachine() => control.RequestReset("keyboard controller");

    private sealed class StatusPort(Ps2Controller8042 owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            lock (owner._gate)
            {
                return (uint)(SystemFlag | 0x10 | (owner._output.Count > 0 ? OutputFull : 0) | (owner._lastWasCommand ? CommandFlag : 0));
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            bool reset;
            lock (owner._gate)
            {
                reset = owner.WriteCommand((byte)value);
                owner.UpdateInterrupt();
            }

            if (reset)
            {
                owner.ResetMachine();
            }
        }
    }
}
