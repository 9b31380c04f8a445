using Strata.Core.Bus;
using Strata.Core.Input;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Devices.Chipset;
using Strata.Devices.Power;

namespace Strata.Devices.Input;

/// <summary>
/// The 8042 controller with a keyboard, and with a mouse where there is a wire for its interrupt; ports 0x60 and 0x64. It also switches
/// address line 20, and resets the machine: command 0xFE pulses the processor's reset line. IBM PS/2 Hardware Interface Technical
/// Reference, "Keyboard and Auxiliary Device Controller".
/// <code>
/// status:  5 the byte is the mouse's  4 not locked  3 last write was a command  2 system  0 a byte is to be read
/// command: 6 translate  5 mouse off  4 keyboard off  2 system  1 interrupt of the mouse  0 of the keyboard
/// </code>
/// </summary>
public sealed partial class Ps2Controller8042 : IPortDevice, IUnit<Ps2Controller8042State>, IKeyboard, IPointer
{
    internal const int OutputLimit = 16;

    private const byte OutputFull = 1;
    private const byte SystemFlag = 4;
    private const byte CommandFlag = 8;
    private const byte Unlocked = 0x10;
    private const byte FromMouse = 0x20;
    private const byte ConfigInterrupt = 1;
    private const byte ConfigMouseInterrupt = 2;
    private const byte ConfigKeyboardDisabled = 0x10;
    private const byte ConfigMouseDisabled = 0x20;
    private const byte ConfigTranslate = 0x40;
    private const byte OutputReset = 1; // active low
    private const byte OutputA20 = 2;
    private const byte ConfigAtReset = ConfigInterrupt | SystemFlag | ConfigMouseDisabled | ConfigTranslate;
    private const byte OutputPortAtReset = OutputReset | OutputA20;
    private const byte BreakPrefix = 0xF0;

    // Wiring
    private readonly IMachineControl _control;
    private readonly InterruptLine _keyboardLine;
    private readonly InterruptLine? _mouseLine;
    private readonly A20Gate? _a20;
    private readonly IVirtualClock? _clock;
    private readonly IVirtualTimer? _timer;

    // Guest-visible state, with that of keyboard and mouse under _gate
    private readonly Lock _gate = new();
    private readonly Ps2Keyboard _keyboard = new();
    private readonly Ps2Mouse _mouse = new();
    private readonly Queue<byte> _replies = new(); // the controller's own, in front of what devices send
    private readonly Queue<byte> _mouseReplies = new(); // the same, to be taken for the mouse's
    private byte _config = ConfigAtReset;
    private byte _pendingCommand;
    private byte _outputPort = OutputPortAtReset;
    private bool _lastWasCommand;
    private bool _isFull;        // a byte is in the output buffer
    private bool _isFromMouse;   // it is the mouse's
    private byte _buffer;
    private bool _sawBreak;      // the translation has held back F0h

    /// <param name="mouseInterrupt">Null for a machine without a mouse.</param>
    /// <param name="a20">What the output port's bit 1 switches; null for nothing.</param>
    /// <param name="clock">By which keys that are held repeat; null for keys that do not.</param>
    public Ps2Controller8042(
        IMachineControl control,
        InterruptLine keyboardInterrupt,
        InterruptLine? mouseInterrupt = null,
        A20Gate? a20 = null,
        IVirtualClock? clock = null)
    {
        (_control, _keyboardLine, _mouseLine, _a20) = (control, keyboardInterrupt, mouseInterrupt, a20);
        (_clock, _timer) = (clock, clock?.CreateTimer(OnRepeat));
    }

    /// <summary>The port 0x60 and 0x64 view: map it at 0x60 for one port and at 0x64 for one port through <see cref="Status"/>.</summary>
    public IPortDevice Status => new StatusPort(this);

    /// <inheritdoc/>
    public void Move(int x, int y, int wheel, PointerButtons buttons)
    {
        lock (_gate)
        {
            if (_mouseLine is not null)
            {
                _mouse.Move(x, y, wheel, (byte)buttons);
                Update();
            }
        }
    }

    /// <summary>Port 0x60.</summary>
    public uint ReadPort(ushort offset, AccessWidth width)
    {
        lock (_gate)
        {
            byte value = _buffer;
            _isFull = false;
            _keyboardLine.Set(false);
            _mouseLine?.Set(false);
            Update();
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
            Update();
        }

        if (reset)
        {
            ResetMachine();
        }
    }

    private bool IsKeyboardInterruptDue => _isFull && !_isFromMouse && (_config & ConfigInterrupt) != 0;

    private bool IsMouseInterruptDue => _isFull && _isFromMouse && (_config & ConfigMouseInterrupt) != 0;

    /// <summary>Brings the next byte into the output buffer, where it stays until it is read, and drives the wires.</summary>
    private void Update()
    {
        if (!_isFull)
        {
            Fill();
        }

        _keyboardLine.Set(IsKeyboardInterruptDue);
        _mouseLine?.Set(IsMouseInterruptDue);
    }

    private void Fill()
    {
        if (_replies.TryDequeue(out byte reply))
        {
            Show(reply, isFromMouse: false);
            return;
        }

        if (_mouseReplies.TryDequeue(out reply))
        {
            Show(reply, isFromMouse: true);
            return;
        }

        while (_keyboard.Output.Count > 0 && (_config & ConfigKeyboardDisabled) == 0)
        {
            byte value = _keyboard.Take();
            if ((_config & ConfigTranslate) == 0)
            {
                Show(value, isFromMouse: false);
                return;
            }

            if (value == BreakPrefix)
            {
                _sawBreak = true;
                continue;
            }

            Show((byte)(ScanCodes.Translate(value) | (_sawBreak ? 0x80 : 0)), isFromMouse: false);
            _sawBreak = false;
            return;
        }

        if (_mouse.Output.Count > 0 && (_config & ConfigMouseDisabled) == 0)
        {
            Show(_mouse.Take(), isFromMouse: true);
        }
    }

    private void Show(byte value, bool isFromMouse) => (_buffer, _isFull, _isFromMouse) = (value, true, isFromMouse);

    private static void Push(Queue<byte> queue, byte value)
    {
        if (queue.Count < OutputLimit)
        {
            queue.Enqueue(value);
        }
    }

    private void WriteData(byte value)
    {
        switch (_pendingCommand)
        {
            case 0x60:
                _config = value;
                break;
            case 0xD1:
                _outputPort = (byte)(value | OutputReset);
                _a20?.Set((value & OutputA20) != 0);
                break;
            case 0xD2:
                Push(_replies, value);
                break;
            case 0xD3:
                Push(_mouseLine is null ? _replies : _mouseReplies, value);
                break;
            case 0xD4:
                if (_mouseLine is not null)
                {
                    _config &= unchecked((byte)~ConfigMouseDisabled);
                    _mouse.Write(value);
                }

                break;
            default:
                _config &= unchecked((byte)~ConfigKeyboardDisabled); // to send something is to turn it on
                _keyboard.Write(value);
                break;
        }

        _pendingCommand = 0;
    }

    /// <returns>True if the machine is to be reset.</returns>
    private bool WriteCommand(byte command)
    {
        _lastWasCommand = true;
        _pendingCommand = 0;
        switch (command)
        {
            case 0x20:
                Push(_replies, _config);
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
                Push(_replies, (byte)(_mouseLine is null ? 1 : 0)); // clock line stuck, if there is no mouse
                break;
            case 0xAA:
                Push(_replies, 0x55);
                break;
            case 0xAB:
                Push(_replies, 0);
                break;
            case 0xAD:
                _config |= ConfigKeyboardDisabled;
                break;
            case 0xAE:
                _config &= unchecked((byte)~ConfigKeyboardDisabled);
                break;
            case 0xC0:
                Push(_replies, 0x80);
                break;
            case 0xD0:
                Push(_replies, _outputPort);
                break;
            case 0xDD or 0xDF:
                _outputPort = (byte)(command == 0xDF ? _outputPort | OutputA20 : _outputPort & ~OutputA20);
                _a20?.Set(command == 0xDF);
                break;
            case >= 0xF0 when (command & 1) == 0:
                return true;
            default:
                break;
        }

        return false;
    }

    private void ResetMachine() => _control.RequestReset("keyboard controller");

    private sealed class StatusPort(Ps2Controller8042 owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            lock (owner._gate)
            {
                int full = owner._isFull ? OutputFull | (owner._isFromMouse ? FromMouse : 0) : 0;
                return (uint)(SystemFlag | Unlocked | full | (owner._lastWasCommand ? CommandFlag : 0));
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            bool reset;
            lock (owner._gate)
            {
                reset = owner.WriteCommand((byte)value);
                owner.Update();
            }

            if (reset)
            {
                owner.ResetMachine();
            }
        }
    }
}
