using Strata.Core.State;

namespace Strata.Devices.Usb;

/// <summary>State of a USB keyboard or tablet.</summary>
public sealed class UsbHidState : IStateRecord<UsbHidState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>What the guest has configured; 0 for nothing.</summary>
    public required byte Configuration { get; set; }

    /// <summary>0 for that of boot, 1 for that of reports.</summary>
    public required byte Protocol { get; set; }

    /// <summary>The idle rate, which is kept only.</summary>
    public required byte Idle { get; set; }

    /// <summary>The last output report.</summary>
    public required byte Output { get; set; }

    /// <summary>The state of now is in no report, as there were too many.</summary>
    public required bool IsBehind { get; set; }

    /// <summary>The report of now.</summary>
    public required byte[] Current { get; set; }

    /// <summary>Reports that wait, one behind the other.</summary>
    public required byte[] Reports { get; set; }

    /// <inheritdoc/>
    public static UsbHidState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new UsbHidState
        {
            Configuration = reader.ReadBits<byte>(nameof(Configuration), 1),
            Protocol = reader.ReadBits<byte>(nameof(Protocol), 1),
            Idle = reader.Read<byte>(nameof(Idle)),
            Output = reader.Read<byte>(nameof(Output)),
            IsBehind = reader.ReadBoolean(nameof(IsBehind)),
            Current = reader.ReadArray<byte>(nameof(Current), UsbHidDevice.LargestReport),
            Reports = reader.ReadArray<byte>(nameof(Reports), UsbHidDevice.LargestReport * UsbHidDevice.MostReports),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Configuration);
        writer.Write(Protocol);
        writer.Write(Idle);
        writer.Write(Output);
        writer.Write(IsBehind);
        writer.WriteArray<byte>(Current);
        writer.WriteArray<byte>(Reports);
    }
}

/// <content>The device as a unit of state.</content>
public abstract partial class UsbHidDevice
{
    private string _parent = string.Empty;

    /// <inheritdoc/>
    public string UnitName => $"{_parent}{_name}";

    /// <summary>Names the controller that it is plugged into.</summary>
    internal void NameParent(string name) => _parent = $"{name}/";

    /// <summary>As behind power-on: no key is held.</summary>
    public void Reset()
    {
        ResetBus();
        lock (Gate)
        {
            Array.Clear(Current);
        }
    }

    /// <inheritdoc/>
    public UsbHidState SaveState()
    {
        lock (Gate)
        {
            return new UsbHidState
            {
                Configuration = _configuration,
                Protocol = _protocol,
                Idle = _idle,
                Output = _output,
                IsBehind = _isBehind,
                Current = [.. Current],
                Reports = [.. _reports.SelectMany(report => report)],
            };
        }
    }

    /// <inheritdoc/>
    public void LoadState(UsbHidState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (Gate)
        {
            if (state.Current.Length != Current.Length || state.Reports.Length % Current.Length != 0
                || state.Reports.Length / Current.Length > MostReports)
            {
                throw new StateException(
                    $"The saved state of {UnitName} cannot be used: its reports have not {Current.Length} bytes each, or are too many.");
            }

            (_configuration, _protocol, _idle, _output) = (state.Configuration, state.Protocol, state.Idle, state.Output);
            _isBehind = state.IsBehind;
            state.Current.CopyTo(Current, 0);
            _reports.Clear();
            foreach (byte[] report in state.Reports.Chunk(Current.Length))
            {
                _reports.Enqueue(report);
            }
        }
    }
}
