using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Core.Storage;
using Strata.Devices.Pci;
using Strata.Devices.Workers;
using static Strata.Devices.Storage.Nvme.NvmeRegisters;

namespace Strata.Devices.Storage.Nvme;

/// <summary>
/// NVMe controller with one namespace of 512-byte blocks. NVM Express Base Specification 1.4: the mandatory commands, and write zeroes and
/// dataset management; PRPs, no SGLs; round robin; 16 pairs of I/O queues, each with an MSI-X vector. A worker takes commands one after
/// the other.
/// </summary>
public sealed partial class NvmeController : PciFunction, IMmioDevice, IDwordRegisters, IDisposable
{
    /// <summary>Pairs of I/O queues.</summary>
    public const int MostQueues = 16;

    internal const int MostEventRequests = 4;

    private const uint BarSize = 0x4000;
    private const int MsixBar = 4;
    private const uint NamespaceId = 1;
    private const uint AllNamespaces = uint.MaxValue;

    // Configuration and wiring
    private readonly AddressSpace _memory;
    private readonly IBlockBackend _disk;
    private readonly string _serial;
    private readonly DeviceWorker _worker;
    private readonly ScatterBuffer _buffer; // worker only
    private readonly Unit _unit;

    // Guest-visible state, under _gate
    private readonly Lock _gate = new();
    private readonly SortedDictionary<ushort, NvmeSubmissionQueue> _submissions = [];
    private readonly SortedDictionary<ushort, NvmeCompletionQueue> _completions = [];
    private readonly uint[] _features = new uint[FeatureCount];
    private readonly List<ushort> _eventRequests = [];
    private uint _config;         // CC
    private uint _status;         // CSTS
    private uint _interruptMask;
    private uint _adminAttributes;
    private ulong _adminSubmission;
    private ulong _adminCompletion;
    private ushort _lastServed;   // submission queue
    private byte _pendingErrors;  // asynchronous events that no request has taken yet: a bit for each kind of error
    private bool _areErrorsMasked; // until the log page is read
    private bool _isResetWanted;

    /// <param name="disk">The controller's from here on.</param>
    /// <param name="serial">Up to 20 ASCII characters.</param>
    public NvmeController(AddressSpace memory, IBlockBackend disk, string serial)
        : base(new PciIdentity(0x1B36, 0x0010, 0x010802, 2, 0x1AF4, 0x1100))
    {
        _memory = memory;
        _disk = disk;
        _serial = serial;
        _buffer = new ScatterBuffer(memory, LargestTransfer);
        _worker = new DeviceWorker("strata-nvme", Work);
        _unit = new Unit(this);
        SetDefaults();
        UseInterruptPin(1);
        AddMemoryBar(0, BarSize, this);
        AddMsix(MsixBar, MostQueues + 1);
    }

    /// <summary>Where failures of the disk are reported.</summary>
    public ILogger Log { get; set; } = NullLogger.Instance;

    /// <summary>Commands are executed within the doorbell's write, for machines that do the same in every run.</summary>
    public bool IsSynchronous
    {
        get => _worker.IsSynchronous;
        set => _worker.IsSynchronous = value;
    }

    public override IEnumerable<IUnit> Units => [this, _unit];

    private bool IsReady => (_status & CstsReady) != 0;

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        lock (_gate)
        {
            return DwordRegisters.Read(this, offset, width);
        }
    }

    /// <summary>Registers are written by aligned doublewords and quadwords; other accesses are ignored.</summary>
    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        if (!DwordRegisters.CanWrite(offset, width))
        {
            return;
        }

        lock (_gate)
        {
            DwordRegisters.Write(this, offset, width, value);
        }

        _worker.Wake();
    }

    /// <summary>Ends the thread, and disposes the disk.</summary>
    public void Dispose()
    {
        _worker.Dispose();
        _disk.Dispose();
    }

    /// <summary>The guest may let the function reach memory after it rang.</summary>
    protected override void AfterConfigWrite(int offset, AccessWidth width)
    {
        if (IsBusMaster)
        {
            _worker.Wake();
        }
    }

    private static uint Half(ulong value, int register) => (uint)(value >> ((register & 4) * 8));

    private static ulong WithHalf(ulong value, int register, uint half)
    {
        int shift = (register & 4) * 8;
        return (value & ~((ulong)uint.MaxValue << shift)) | ((ulong)half << shift);
    }

    uint IDwordRegisters.ReadRegister(int register) => register switch
    {
        CAP or CAP + 4 => Half(Capabilities, register),
        VS => NvmeRegisters.Version,
        INTMS or INTMC => _interruptMask,
        CC => _config,
        CSTS => _status,
        AQA => _adminAttributes,
        ASQ or ASQ + 4 => Half(_adminSubmission, register),
        ACQ or ACQ + 4 => Half(_adminCompletion, register),
        _ => 0,
    };

    void IDwordRegisters.WriteRegister(int register, uint value)
    {
        switch (register)
        {
            case INTMS:
                _interruptMask |= value;
                UpdateInterrupt();
                break;
            case INTMC:
                _interruptMask &= ~value;
                UpdateInterrupt();
                break;
            case CC:
                WriteConfiguration(value & CcWritable);
                break;
            case AQA:
                _adminAttributes = value & AqaWritable;
                break;
            case ASQ or ASQ + 4:
                _adminSubmission = WithHalf(_adminSubmission, register, value);
                break;
            case ACQ or ACQ + 4:
                _adminCompletion = WithHalf(_adminCompletion, register, value);
                break;
            case >= Doorbells when IsReady && register < BarSize:
                Ring((register - Doorbells) / 4, value & 0xFFFF);
                break;
            default:
                break;
        }
    }

    private void WriteConfiguration(uint value)
    {
        uint changed = _config ^ value;
        _config = value;
        if ((changed & CcEnable) != 0)
        {
            if ((value & CcEnable) == 0)
            {
                _isResetWanted = true; // the worker does it, behind the command that it has
            }
            else if (!_isResetWanted)
            {
                Enable();
            }
        }

        if ((value & CcShutdown) == 0)
        {
            _status &= ~CstsShutdown;
        }
    }

    private void Enable()
    {
        int submissions = (int)(_adminAttributes & 0xFFF) + 1;
        int completions = (int)(_adminAttributes >> 16) + 1;
        bool isPossible = (_config & CcPageAndSets) == 0 && submissions > 1 && completions > 1
            && ((_adminSubmission | _adminCompletion) & (PageSize - 1)) == 0;
        if (!isPossible)
        {
            _status |= CstsFatal;
            return;
        }

        _submissions[0] = new NvmeSubmissionQueue(0, 0, _adminSubmission, submissions);
        _completions[0] = new NvmeCompletionQueue(0, _adminCompletion, completions, interrupts: true, vector: 0);
        _status |= CstsReady;
    }

    /// <summary>A doorbell: those of submission and completion queues take turns.</summary>
    private void Ring(int doorbell, uint value)
    {
        ushort id = (ushort)(doorbell / 2);
        if (doorbell % 2 == 0)
        {
            if (!_submissions.TryGetValue(id, out NvmeSubmissionQueue? queue))
            {
                NoteError(InvalidDoorbell);
            }
            else if (value >= queue.Size)
            {
                NoteError(InvalidDoorbellValue);
            }
            else
            {
                queue.Tail = (int)value;
            }

            return;
        }

        if (!_completions.TryGetValue(id, out NvmeCompletionQueue? completions))
        {
            NoteError(InvalidDoorbell);
        }
        else if (value >= completions.Size)
        {
            NoteError(InvalidDoorbellValue);
        }
        else
        {
            completions.Head = (int)value;
            UpdateInterrupt();
        }
    }

    /// <summary>INTx is high while a queue that interrupts has entries for the guest; MSI-X has its own messages.</summary>
    private void UpdateInterrupt() => SetInterrupt(IsLineWanted);

    private bool IsLineWanted => _completions.Values.Any(
        queue => queue.Interrupts && queue.Head != queue.Tail && (queue.Vector > 31 || (_interruptMask & (1u << queue.Vector)) == 0));
}
