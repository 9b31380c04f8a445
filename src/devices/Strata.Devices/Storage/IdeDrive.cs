using Strata.Core.State;
using Strata.Core.Storage;
using static Strata.Devices.Storage.Ata;

namespace Strata.Devices.Storage;

/// <summary>
/// A drive on a channel: its copy of the registers and its data phase. All calls hold the channel's lock; only the work that the channel
/// is given to do with the medium runs without it.
/// </summary>
public abstract class IdeDrive : IDisposable
{
    internal const int AddressRegisters = 4;
    internal const byte MostMultiple = 16;

    private protected const int SectorCount = 0;
    private protected const int LbaLow = 1;
    private protected const int LbaMid = 2;
    private protected const int LbaHigh = 3;

    private protected readonly byte[] _address = new byte[AddressRegisters];
    private protected readonly byte[] _highOrder = new byte[AddressRegisters];
    private IIdeBus? _bus;

    /// <summary>The channel; set once, when the drive is attached.</summary>
    private protected IIdeBus Bus => _bus!;

    internal byte Features { get; set; }

    /// <summary>The device register as this drive has it.</summary>
    internal byte Device { get; set; }

    internal byte Status { get; private protected set; }

    internal byte Error { get; private protected set; }

    /// <summary>It asks for an interrupt, which a read of the status takes back.</summary>
    internal bool Interrupt { get; set; }

    internal IdeTransfer Transfer { get; private protected set; } = new();

    /// <summary>A CD drive.</summary>
    internal abstract bool IsPacket { get; }

    /// <summary>Frees the medium.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    internal void Attach(IIdeBus bus)
    {
        _bus = bus;
        Reset(isHard: true);
    }

    /// <param name="register">2 to 5 of the command block.</param>
    internal byte ReadAddress(int register, bool highOrder) => (highOrder ? _highOrder : _address)[register - 2];

    /// <inheritdoc cref="ReadAddress"/>
    internal void WriteAddress(int register, byte value)
    {
        _highOrder[register - 2] = _address[register - 2];
        _address[register - 2] = value;
    }

    /// <summary>Power-on, or the channel's reset bit: ends what is under way and shows what kind of drive this is.</summary>
    /// <param name="isHard">What the guest has set is forgotten.</param>
    internal virtual void Reset(bool isHard)
    {
        Transfer = new IdeTransfer();
        Array.Clear(_highOrder);
        SetSignature();
        Error = DiagnosticPassed;
        Interrupt = false;
        Features = 0;
    }

    /// <summary>Executes a command of the command register.</summary>
    internal abstract void Execute(byte command);

    /// <summary>Reads from the data register, in a PIO data phase.</summary>
    /// <param name="count">Bytes, 1, 2 or 4.</param>
    internal uint ReadData(int count)
    {
        IdeTransfer transfer = Transfer;
        if (transfer.IsDma
            || transfer.Kind is not (IdeTransferKind.FromMedium or IdeTransferKind.FromReply)
            || transfer.Moved >= transfer.Filled)
        {
            return 0;
        }

        uint value = 0;
        for (int i = 0; i < count && transfer.Moved < transfer.Filled; i++)
        {
            value |= (uint)transfer.Buffer[transfer.Moved++] << (8 * i);
        }

        if (transfer.Moved == transfer.Filled)
        {
            transfer.Done += transfer.Filled;
            transfer.Filled = transfer.Moved = 0;
            if (transfer.IsComplete)
            {
                EndData();
            }
            else
            {
                NextBlockToHost();
            }
        }

        return value;
    }

    /// <summary>Writes to the data register, in a PIO data phase.</summary>
    /// <param name="count">Bytes, 1, 2 or 4.</param>
    internal void WriteData(uint value, int count)
    {
        IdeTransfer transfer = Transfer;
        if (transfer.IsDma || (Status & StatusDataRequest) == 0
            || transfer.Kind is not (IdeTransferKind.ToMedium or IdeTransferKind.Packet or IdeTransferKind.Ranges))
        {
            return;
        }

        for (int i = 0; i < count && transfer.Moved < transfer.Filled; i++)
        {
            transfer.Buffer[transfer.Moved++] = (byte)(value >> (8 * i));
        }

        if (transfer.Moved == transfer.Filled)
        {
            Status &= unchecked((byte)~StatusDataRequest);
            TakeBlock();
        }
    }

    /// <summary>Moves bytes of the data phase from the medium or the reply. Without the lock: the transfer is the caller's.</summary>
    /// <param name="at">Bytes from the start of the data phase.</param>
    /// <exception cref="IOException">The medium failed.</exception>
    internal abstract void Fetch(IdeTransfer transfer, long at, Span<byte> buffer);

    /// <summary>Moves bytes of the data phase to the medium. Without the lock.</summary>
    /// <exception cref="IOException">The medium failed.</exception>
    internal abstract void Store(IdeTransfer transfer, long at, ReadOnlySpan<byte> buffer);

    /// <summary>
    /// All bytes have been moved by the bus master, or have not. Without the lock; brings them to stable storage where that is asked for.
    /// </summary>
    /// <exception cref="IOException">The medium failed.</exception>
    internal virtual void Settle(IdeTransfer transfer)
    {
    }

    /// <summary>The bus master begins to move the data phase.</summary>
    internal void BeginMove() => Status = (byte)((Status | StatusBusy) & ~StatusDataRequest);

    /// <summary>The bus master moves no more.</summary>
    internal void EndMove() => Status &= unchecked((byte)~StatusBusy);

    /// <summary>Tells that the drives have tested themselves.</summary>
    internal void RaiseDiagnostic() => Raise();

    /// <summary>The bus master has moved what it was to move.</summary>
    internal void EndDma(bool isDone)
    {
        if (!isDone)
        {
            Fail(ErrorAborted);
            return;
        }

        Transfer.Done = Transfer.Length;
        EndData();
    }

    internal IdeDriveState SaveState()
    {
        return new IdeDriveState
        {
            Address = [.. _address],
            HighOrder = [.. _highOrder],
            Features = Features,
            Device = Device,
            Status = Status,
            Error = Error,
            Interrupt = Interrupt,
            Own = SaveOwn(),
            Transfer = Transfer.Copy(),
        };
    }

    internal void LoadState(IdeDriveState state)
    {
        state.Address.CopyTo(_address, 0);
        state.HighOrder.CopyTo(_highOrder, 0);
        (Features, Device, Status, Error, Interrupt) = (state.Features, state.Device, state.Status, state.Error, state.Interrupt);
        Transfer = state.Transfer.Copy();
        LoadOwn(state);
    }

    /// <summary>Why a state is none of this drive; null if it is.</summary>
    /// <exception cref="StateException">It is of another kind, or damaged.</exception>
    internal abstract string? FindMismatch(IdeDriveState state);

    private protected abstract byte[] SaveOwn();

    private protected abstract void LoadOwn(IdeDriveState state);

    private protected abstract void SetSignature();

    private protected abstract void Dispose(bool disposing);

    /// <summary>A block from the host is in the buffer.</summary>
    private protected abstract void TakeBlock();

    /// <summary>All of the data phase has been moved.</summary>
    private protected abstract void EndData();

    /// <summary>Told before the host is told that a block waits for it.</summary>
    private protected virtual void AnnounceBlock(bool toHost)
    {
    }

    /// <summary>Begins a data phase to the host.</summary>
    private protected void BeginToHost(IdeTransfer transfer)
    {
        Transfer = transfer;
        if (transfer.IsDma)
        {
            Status = StatusReady | StatusSeekDone | StatusDataRequest;
            Bus.BeginDma();
        }
        else
        {
            NextBlockToHost();
        }
    }

    /// <summary>Begins a data phase from the host.</summary>
    /// <param name="interrupts">The host is told at once; it expects that of all blocks but a first one.</param>
    private protected void BeginFromHost(IdeTransfer transfer, bool interrupts)
    {
        Transfer = transfer;
        if (transfer.IsDma)
        {
            Status = StatusReady | StatusSeekDone | StatusDataRequest;
            Bus.BeginDma();
            return;
        }

        transfer.Filled = transfer.NextBlock;
        transfer.Buffer = transfer.Buffer.Length == transfer.Filled ? transfer.Buffer : new byte[transfer.Filled];
        transfer.Moved = 0;
        AnnounceBlock(toHost: false);
        Status = StatusReady | StatusSeekDone | StatusDataRequest;
        if (interrupts)
        {
            Raise();
        }
    }

    /// <summary>The command is done.</summary>
    private protected void Complete()
    {
        Transfer = new IdeTransfer();
        Status = StatusReady | StatusSeekDone;
        Error = 0;
        Raise();
    }

    private protected virtual void Fail(byte error)
    {
        Transfer = new IdeTransfer();
        Status = StatusReady | StatusSeekDone | StatusError;
        Error = error;
        Raise();
    }

    /// <summary>Does something with the medium; the drive is busy until then.</summary>
    private protected void Work(Action work, Action<bool> done)
    {
        Status = (byte)((Status | StatusBusy) & ~(StatusDataRequest | StatusError));
        Bus.Work(work, isDone =>
        {
            Status &= unchecked((byte)~StatusBusy);
            done(isDone);
        });
    }

    private protected void Raise()
    {
        Interrupt = true;
        Bus.UpdateInterrupt();
    }

    private protected void SetAddress(byte count, byte low, byte mid, byte high) =>
        (_address[SectorCount], _address[LbaLow], _address[LbaMid], _address[LbaHigh]) = (count, low, mid, high);

    private void NextBlockToHost()
    {
        IdeTransfer transfer = Transfer;
        byte[] buffer = new byte[transfer.NextBlock];
        if (transfer.Kind == IdeTransferKind.FromReply)
        {
            Fetch(transfer, transfer.Done, buffer);
            Show(transfer, buffer);
            return;
        }

        Work(() => Fetch(transfer, transfer.Done, buffer), isDone =>
        {
            if (isDone)
            {
                Show(transfer, buffer);
            }
            else
            {
                Fail(ErrorUncorrectable);
            }
        });
    }

    private void Show(IdeTransfer transfer, byte[] buffer)
    {
        (transfer.Buffer, transfer.Filled, transfer.Moved) = (buffer, buffer.Length, 0);
        AnnounceBlock(toHost: true);
        Status = StatusReady | StatusSeekDone | StatusDataRequest;
        Raise();
    }
}

/// <summary>What a drive needs of its channel. Under the channel's lock.</summary>
internal interface IIdeBus
{
    /// <summary>Recomputes the interrupt line.</summary>
    void UpdateInterrupt();

    /// <summary>The selected drive is ready for the bus master.</summary>
    void BeginDma();

    /// <summary>Runs <paramref name="work"/> without the lock and on another thread, then <paramref name="done"/> with it.</summary>
    /// <param name="work">May fail with an <see cref="IOException"/>.</param>
    /// <param name="done">Hears whether it did not; never called if the drive is reset meanwhile.</param>
    void Work(Action work, Action<bool> done);
}

/// <summary>What a drive whose medium is exchanged needs beside.</summary>
internal interface IPacketBus : IIdeBus
{
    /// <summary>
    /// Runs something between two pieces of work, with the lock, and waits for it. For threads of the host, which hold no lock.
    /// </summary>
    T Between<T>(Func<T> action);

    /// <summary>What the drive waits for ends without effect; the bus master moves nothing more. Under the channel's lock.</summary>
    void GiveUp();
}
