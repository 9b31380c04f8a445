using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using static Strata.Devices.Storage.Nvme.NvmeRegisters;

namespace Strata.Devices.Storage.Nvme;

/// <content>The worker: it takes commands, one from each queue in turn, and posts what has come of them.</content>
public sealed partial class NvmeController
{
    private const int InvalidDoorbell = 0;
    private const int InvalidDoorbellValue = 1;
    private const uint ErrorLogPage = 1;

    /// <summary>The command waits for an event, and is completed later.</summary>
    private const ushort Later = ushort.MaxValue;

    private void Work()
    {
        while (TryTake(out NvmeSubmissionQueue? queue, out NvmeCommand command))
        {
            uint result = 0;
            ushort status;
            try
            {
                status = queue.Id == 0 ? ExecuteAdmin(command, out result) : ExecuteIo(command);
            }
            catch (IOException error)
            {
                LogFailed(Log, command.Dword10 | ((ulong)command.Dword11 << 32), error.Message);
                status = command.Opcode == Read ? UnrecoveredReadError : WriteFault;
            }

            if (status != Later)
            {
                lock (_gate)
                {
                    Complete(queue, command.Id, status, result);
                }
            }
        }

        Shutdown();
    }

    [LoggerMessage(
        130, LogLevel.Error, "A request of the guest's failed at block {Block} of its NVMe disk, and the guest was told so: {Reason}")]
    private static partial void LogFailed(ILogger logger, ulong block, string reason);

    /// <returns>False if there is nothing to do.</returns>
    private bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out NvmeSubmissionQueue? queue, out NvmeCommand command)
    {
        Span<byte> entry = stackalloc byte[SubmissionSize];
        lock (_gate)
        {
            if (_isResetWanted)
            {
                ResetController();
                if ((_config & CcEnable) != 0)
                {
                    Enable(); // the guest did not wait
                }
            }

            command = default;
            queue = IsReady && IsBusMaster && (_status & (CstsFatal | CstsShutdown)) == 0 && (_config & CcShutdown) == 0
                ? NextQueue()
                : null;
            if (queue is null)
            {
                return false;
            }

            ulong address = queue.Address + (ulong)(queue.Head * SubmissionSize);
            queue.Head = (queue.Head + 1) % queue.Size;
            _lastServed = queue.Id;
            if (!_memory.TryGetSpan(address, SubmissionSize, out ReadOnlySpan<byte> bytes))
            {
                _status |= CstsFatal;
                return false;
            }

            bytes.CopyTo(entry); // what is checked afterwards the guest can change no more
            command = NvmeCommand.Read(entry);
            return true;
        }
    }

    /// <summary>The queue whose turn it is, of those with a command and room for its completion.</summary>
    private NvmeSubmissionQueue? NextQueue() => _submissions.Values
        .Where(queue => queue.Head != queue.Tail && !_completions[queue.CompletionQueue].IsFull)
        .MinBy(queue => queue.Id > _lastServed ? queue.Id : queue.Id + ushort.MaxValue);

    /// <summary>Posts a completion. Its queue may have gone with a command before it.</summary>
    private void Complete(NvmeSubmissionQueue queue, ushort command, ushort status, uint result)
    {
        if (!_completions.TryGetValue(queue.CompletionQueue, out NvmeCompletionQueue? completions))
        {
            return;
        }

        Span<byte> entry = stackalloc byte[CompletionSize];
        BinaryPrimitives.WriteUInt32LittleEndian(entry, result);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], ((uint)queue.Id << 16) | (uint)queue.Head);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], ((uint)status << 17) | (completions.Phase ? 1u << 16 : 0) | command);
        if (!_memory.TryWriteBytes(completions.Address + (ulong)(completions.Tail * CompletionSize), entry))
        {
            _status |= CstsFatal;
            return;
        }

        completions.Tail = (completions.Tail + 1) % completions.Size;
        completions.Phase ^= completions.Tail == 0;
        if (completions.Interrupts)
        {
            Msix!.Signal(completions.Vector);
            UpdateInterrupt();
        }
    }

    /// <summary>CC.SHN: what was written is on the disk when CSTS says that the shutdown is complete.</summary>
    private void Shutdown()
    {
        lock (_gate)
        {
            if (!IsReady || (_config & CcShutdown) == 0 || (_status & CstsShutdown) != 0)
            {
                return;
            }
        }

        try
        {
            _disk.Flush();
        }
        catch (IOException error)
        {
            LogFailed(Log, 0, error.Message);
        }

        lock (_gate)
        {
            _status |= CstsShutdownComplete;
        }
    }

    /// <summary>What CC.EN = 0 does.</summary>
    private void ResetController()
    {
        _isResetWanted = false;
        _submissions.Clear();
        _completions.Clear();
        _eventRequests.Clear();
        (_status, _pendingErrors, _areErrorsMasked, _lastServed) = (0, 0, false, 0);
        SetDefaults();
        UpdateInterrupt();
    }

    private void SetDefaults()
    {
        Array.Clear(_features);
        _features[TemperatureThreshold] = UsualTemperatureThreshold;
        _features[VolatileWriteCache] = 1;
        _features[NumberOfQueues] = (MostQueues - 1) | ((MostQueues - 1) << 16);
    }

    /// <summary>Something that the guest did is an error which no command reports.</summary>
    private void NoteError(int kind)
    {
        _pendingErrors |= (byte)(1 << kind);
        TellEvents();
    }

    /// <summary>Completes requests for events that there are.</summary>
    private void TellEvents()
    {
        if (_pendingErrors == 0 || _areErrorsMasked || _eventRequests.Count == 0 || _completions[0].IsFull)
        {
            return;
        }

        int kind = (_pendingErrors & (1 << InvalidDoorbell)) != 0 ? InvalidDoorbell : InvalidDoorbellValue;
        _pendingErrors &= (byte)~(1 << kind);
        _areErrorsMasked = true;
        ushort request = _eventRequests[0];
        _eventRequests.RemoveAt(0);
        Complete(_submissions[0], request, Success, (ErrorLogPage << 16) | ((uint)kind << 8)); // type 0: error status
    }
}
