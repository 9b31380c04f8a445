using System.Buffers.Binary;
using System.Text;
using Strata.Core.State;

namespace Strata.Devices.Usb;

/// <summary>
/// A full-speed device with one human interface and one interrupt endpoint, by which it reports changes. Universal Serial Bus Specification
/// 2.0, chapter 9; Device Class Definition for Human Interface Devices 1.11. Reports are not repeated by an idle rate. Members are safe
/// on any thread.
/// </summary>
public abstract partial class UsbHidDevice : IUnit<UsbHidState>
{
    /// <summary>Reports that wait for the guest.</summary>
    internal const int MostReports = 32;

    internal const int LargestReport = 8;

    private const byte EndpointAddress = 0x81;
    private const int LanguageEnglish = 0x0409;

    private readonly string _name;
    private readonly string _product;
    private readonly byte _subclass;
    private readonly byte _protocolCode;
    private readonly byte[] _reportDescriptor;

    // Guest-visible state, under Gate
    private readonly Queue<byte[]> _reports = new();
    private byte _configuration;
    private byte _protocol = 1; // of reports, not of boot
    private byte _idle;
    private byte _output; // the last output report
    private bool _isBehind; // the state of now is in no report, as there were too many

    /// <param name="name">Of the unit, behind its controller's.</param>
    /// <param name="product">What the guest reads.</param>
    /// <param name="bootProtocol">1 for a keyboard that firmware knows; 0 for none.</param>
    /// <param name="reportDescriptor">How reports are to be read.</param>
    /// <param name="reportSize">Bytes, up to 8.</param>
    private protected UsbHidDevice(string name, string product, byte bootProtocol, byte[] reportDescriptor, int reportSize)
    {
        (_name, _product) = (name, product);
        (_subclass, _protocolCode) = (bootProtocol == 0 ? (byte)0 : (byte)1, bootProtocol);
        _reportDescriptor = reportDescriptor;
        Current = new byte[reportSize];
    }

    /// <summary>There is something to report. Not under <see cref="Gate"/>.</summary>
    internal event Action? Ready;

    /// <summary>The guest has set the device up and reads its reports.</summary>
    public bool IsConfigured
    {
        get
        {
            lock (Gate)
            {
                return _configuration != 0;
            }
        }
    }

    /// <summary>How often the guest has set the device up since this process has it: another time may be another driver.</summary>
    public int Setups { get; private set; } // under Gate

    /// <summary>Whether the guest has looked at all that its controller has told; null for a device without one.</summary>
    internal Func<bool>? AreEventsTaken { get; set; }

    /// <summary>Over all state.</summary>
    private protected Lock Gate { get; } = new();

    /// <summary>The state that the next report tells.</summary>
    private protected byte[] Current { get; }

    /// <summary>What the guest has last sent: a keyboard's lamps.</summary>
    private protected byte Output => _output;

    /// <summary>Under Gate.</summary>
    private protected int Waiting => _reports.Count;

    /// <summary>Behind a reset of the port: neither address nor configuration.</summary>
    internal void ResetBus()
    {
        lock (Gate)
        {
            (_configuration, _protocol, _idle, _output, _isBehind) = (0, 1, 0, 0, false);
            _reports.Clear();
        }
    }

    /// <summary>The next report.</summary>
    /// <returns>False while there is none.</returns>
    internal bool TryTake(out byte[] report)
    {
        lock (Gate)
        {
            bool has = _reports.TryDequeue(out report!);
            if (has && _isBehind)
            {
                _isBehind = false;
                _reports.Enqueue([.. Current]);
            }

            return has;
        }
    }

    /// <summary>Whether the device has an endpoint, beside that of control.</summary>
    /// <param name="context">Index of a device context: 3 is endpoint 1, to the host.</param>
    internal static bool HasEndpoint(int context) => context == 3;

    /// <summary>Carries out a control request.</summary>
    /// <param name="data">What came with it, of one to the device.</param>
    /// <param name="reply">What goes back, of one to the host.</param>
    /// <returns>False if the device refuses it.</returns>
    internal bool TryControl(UsbSetup setup, ReadOnlySpan<byte> data, out byte[] reply)
    {
        lock (Gate)
        {
            byte[]? answer = Answer(setup, data);
            reply = answer is null || !setup.IsIn ? [] : answer.AsSpan(0, Math.Min(answer.Length, setup.Length)).ToArray();
            return answer is not null;
        }
    }

    /// <summary>Queues a report of the current state; under Gate, followed by <see cref="Announce"/> without it.</summary>
    /// <returns>False if nobody listens, or if there are too many: the state behind them is told later.</returns>
    private protected bool TryReport()
    {
        if (_configuration == 0)
        {
            return false;
        }

        if (_reports.Count >= MostReports)
        {
            _isBehind = true;
            return false;
        }

        _reports.Enqueue([.. Current]);
        return true;
    }

    /// <summary>Under Gate.</summary>
    private protected void ForgetReports()
    {
        _reports.Clear();
        _isBehind = false;
    }

    private protected void Announce() => Ready?.Invoke();

    /// <summary>Null for what the device does not know; empty for what has no answer.</summary>
    private byte[]? Answer(UsbSetup setup, ReadOnlySpan<byte> data) => (setup.Type, setup.Request) switch
    {
        (0x80, 0) => [1, 0], // GET_STATUS: it has power of its own
        (0x81 or 0x82, 0) => [0, 0],
        (0x00 or 0x02, 1 or 3) => [], // CLEAR_FEATURE, SET_FEATURE: wake-up, halt
        (0x00, 5) => [], // SET_ADDRESS, which the controller has done
        (0x80, 6) => Describe(setup.Value, setup.Index),
        (0x81, 6) => DescribeInterface(setup.Value),
        (0x80, 8) => [_configuration],
        (0x00, 9) when setup.Value <= 1 => Configure((byte)setup.Value),
        (0x81, 10) => [0], // GET_INTERFACE
        (0x01, 11) when setup.Value == 0 => [],
        (0xA1, 1) => [.. Current], // GET_REPORT
        (0xA1, 2) => [_idle],
        (0xA1, 3) => [_protocol],
        (0x21, 9) => TakeOutput(data),
        (0x21, 10) => Set(out _idle, (byte)(setup.Value >> 8)),
        (0x21, 11) when setup.Value <= 1 => Set(out _protocol, (byte)setup.Value),
        _ => null,
    };

    private static byte[] Set(out byte field, byte value)
    {
        field = value;
        return [];
    }

    private byte[] Configure(byte value)
    {
        (_configuration, _isBehind) = (value, false);
        Setups++;
        _reports.Clear();
        return [];
    }

    private byte[] TakeOutput(ReadOnlySpan<byte> data)
    {
        _output = data.Length > 0 ? data[0] : _output;
        return [];
    }

    private byte[]? Describe(ushort value, ushort language) => (value >> 8, value & 0xFF) switch
    {
        (1, _) => [18, 1, 0x00, 0x02, 0, 0, 0, 8, 0x27, 0x06, 0x01, 0x00, 0x00, 0x01, 1, 2, 3, 1],
        (2, 0) => DescribeConfiguration(),
        (3, 0) => [4, 3, LanguageEnglish & 0xFF, LanguageEnglish >> 8],
        (3, 1) => DescribeString("Strata"),
        (3, 2) => DescribeString(_product),
        (3, 3) => DescribeString("1"),
        _ => null,
    };

    private byte[]? DescribeInterface(ushort value) => (value >> 8) switch
    {
        0x21 => DescribeHid(),
        0x22 => _reportDescriptor,
        _ => null,
    };

    private byte[] DescribeHid()
    {
        byte[] hid = [9, 0x21, 0x11, 0x01, 0, 1, 0x22, 0, 0];
        BinaryPrimitives.WriteUInt16LittleEndian(hid.AsSpan(7), (ushort)_reportDescriptor.Length);
        return hid;
    }

    private byte[] DescribeConfiguration()
    {
        byte[] all =
        [
            9, 2, 0, 0, 1, 1, 0, 0xA0, 50, // one interface; power from the bus, and wake-up
            9, 4, 0, 0, 1, 3, _subclass, _protocolCode, 0,
            .. DescribeHid(),
            7, 5, EndpointAddress, 3, LargestReport, 0, 4, // interrupt, each 4 ms
        ];
        BinaryPrimitives.WriteUInt16LittleEndian(all.AsSpan(2), (ushort)all.Length);
        return all;
    }

    private static byte[] DescribeString(string text)
    {
        byte[] characters = Encoding.Unicode.GetBytes(text);
        return [(byte)(characters.Length + 2), 3, .. characters];
    }
}
