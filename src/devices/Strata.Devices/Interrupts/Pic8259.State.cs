using Strata.Core.State;

namespace Strata.Devices.Interrupts;

/// <summary>State of the pair of 8259As.</summary>
public sealed class Pic8259State : IStateRecord<Pic8259State>
{
    public static ushort Version => 1;

    public required Pic8259ChipState Master { get; set; }

    public required Pic8259ChipState Slave { get; set; }

    public static Pic8259State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Pic8259State { Master = reader.ReadRecord<Pic8259ChipState>(), Slave = reader.ReadRecord<Pic8259ChipState>() };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteRecord(Master);
        writer.WriteRecord(Slave);
    }
}

/// <summary>State of one 8259A; the names of bits are the data sheet's.</summary>
public sealed class Pic8259ChipState : IStateRecord<Pic8259ChipState>
{
    public static ushort Version => 1;

    /// <summary>The initialisation command word that is awaited, 2 to 4; 0 for none.</summary>
    public required byte InitStep { get; set; }

    public required bool ExpectsIcw4 { get; set; }

    public required bool IsSingle { get; set; }

    public required bool AutoEoi { get; set; }

    public required bool RotateOnAutoEoi { get; set; }

    public required bool SpecialMask { get; set; }

    public required bool ReadIsr { get; set; }

    public required bool Poll { get; set; }

    public required byte VectorBase { get; set; }

    /// <summary>IRR.</summary>
    public required byte Requests { get; set; }

    /// <summary>ISR.</summary>
    public required byte Service { get; set; }

    /// <summary>IMR.</summary>
    public required byte Mask { get; set; }

    /// <summary>Levels of the pins.</summary>
    public required byte Lines { get; set; }

    /// <summary>ELCR: a bit for each level-triggered pin.</summary>
    public required byte EdgeLevel { get; set; }

    /// <summary>The pin of the lowest priority.</summary>
    public required byte Lowest { get; set; }

    public static Pic8259ChipState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        Pic8259ChipState state = new()
        {
            InitStep = reader.Read<byte>(nameof(InitStep), 0, 4),
            ExpectsIcw4 = reader.ReadBoolean(nameof(ExpectsIcw4)),
            IsSingle = reader.ReadBoolean(nameof(IsSingle)),
            AutoEoi = reader.ReadBoolean(nameof(AutoEoi)),
            RotateOnAutoEoi = reader.ReadBoolean(nameof(RotateOnAutoEoi)),
            SpecialMask = reader.ReadBoolean(nameof(SpecialMask)),
            ReadIsr = reader.ReadBoolean(nameof(ReadIsr)),
            Poll = reader.ReadBoolean(nameof(Poll)),
            VectorBase = reader.ReadBits<byte>(nameof(VectorBase), 0xF8),
            Requests = reader.Read<byte>(nameof(Requests)),
            Service = reader.Read<byte>(nameof(Service)),
            Mask = reader.Read<byte>(nameof(Mask)),
            Lines = reader.Read<byte>(nameof(Lines)),
            EdgeLevel = reader.Read<byte>(nameof(EdgeLevel)),
            Lowest = reader.Read<byte>(nameof(Lowest), 0, 7),
        };
        return state.InitStep != 1 ? state : throw reader.Refuse(nameof(InitStep), "is 1, which is never awaited");
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(InitStep);
        writer.Write(ExpectsIcw4);
        writer.Write(IsSingle);
        writer.Write(AutoEoi);
        writer.Write(RotateOnAutoEoi);
        writer.Write(SpecialMask);
        writer.Write(ReadIsr);
        writer.Write(Poll);
        writer.Write(VectorBase);
        writer.Write(Requests);
        writer.Write(Service);
        writer.Write(Mask);
        writer.Write(Lines);
        writer.Write(EdgeLevel);
        writer.Write(Lowest);
    }
}

public sealed partial class Pic8259
{
    public string UnitName => "pic";

    /// <summary>Power-on. The levels of the pins are what the devices drive.</summary>
    public void Reset() => Change(() =>
    {
        _master.Reset();
        _slave.Reset();
    });

    public Pic8259State SaveState()
    {
        lock (_gate)
        {
            return new Pic8259State { Master = _master.Save(), Slave = _slave.Save() };
        }
    }

    /// <summary>The processor looks at INTR when it goes on: its level is not announced.</summary>
    public void LoadState(Pic8259State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            _master.Load(state.Master);
            _slave.Load(state.Slave);
            _pending = _master.HasRequest;
        }
    }

    private sealed partial class Chip
    {
        public void Reset()
        {
            Initialise(icw1: 0);
            (_initStep, VectorBase, EdgeLevel, _requests) = (0, 0, 0, 0);
        }

        public Pic8259ChipState Save() => new()
        {
            InitStep = (byte)_initStep,
            ExpectsIcw4 = _expectsIcw4,
            IsSingle = _single,
            AutoEoi = _autoEoi,
            RotateOnAutoEoi = _rotateOnAutoEoi,
            SpecialMask = _specialMask,
            ReadIsr = _readIsr,
            Poll = _poll,
            VectorBase = VectorBase,
            Requests = _requests,
            Service = _service,
            Mask = _mask,
            Lines = _lines,
            EdgeLevel = EdgeLevel,
            Lowest = (byte)_lowest,
        };

        public void Load(Pic8259ChipState state)
        {
            _initStep = state.InitStep;
            _expectsIcw4 = state.ExpectsIcw4;
            _single = state.IsSingle;
            _autoEoi = state.AutoEoi;
            _rotateOnAutoEoi = state.RotateOnAutoEoi;
            _specialMask = state.SpecialMask;
            _readIsr = state.ReadIsr;
            _poll = state.Poll;
            VectorBase = state.VectorBase;
            _requests = state.Requests;
            _service = state.Service;
            _mask = state.Mask;
            _lines = state.Lines;
            EdgeLevel = state.EdgeLevel;
            _lowest = state.Lowest;
        }
    }
}
