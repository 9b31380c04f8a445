using static Strata.Devices.Storage.Nvme.NvmeRegisters;

namespace Strata.Devices.Storage.Nvme;

/// <content>Admin commands. On the worker's thread.</content>
public sealed partial class NvmeController
{
    private const uint PhysicallyContiguous = 1;
    private const uint InterruptsEnabled = 1 << 1;

    private ushort ExecuteAdmin(in NvmeCommand command, out uint result)
    {
        result = 0;
        if (command.UsesWhatIsNotThere)
        {
            return InvalidField;
        }

        switch (command.Opcode)
        {
            case Identify:
                return ExecuteIdentify(command);
            case GetLogPage:
                return ExecuteGetLogPage(command);
            case CreateCompletionQueue:
                return Locked(command, CreateCompletions);
            case CreateSubmissionQueue:
                return Locked(command, CreateSubmissions);
            case DeleteCompletionQueue:
                return Locked(command, DeleteCompletions);
            case DeleteSubmissionQueue:
                return Locked(command, DeleteSubmissions);
            case SetFeatures:
                return ExecuteSetFeatures(command, out result);
            case GetFeatures:
                return ExecuteGetFeatures(command, out result);
            case AsynchronousEventRequest:
                return Locked(command, TakeEventRequest);
            case Abort:
                return Locked(command, ExecuteAbort, out result);
            default:
                return InvalidOpcode;
        }
    }

    private ushort Locked(NvmeCommand command, Func<NvmeCommand, ushort> execute)
    {
        lock (_gate)
        {
            return execute(command);
        }
    }

    private ushort Locked(NvmeCommand command, Func<NvmeCommand, bool> execute, out uint result)
    {
        lock (_gate)
        {
            result = execute(command) ? 0u : 1u;
            return Success;
        }
    }

    private static (ushort Id, int Size) QueueOf(in NvmeCommand command) => ((ushort)command.Dword10, (int)(command.Dword10 >> 16) + 1);

    /// <summary>What both kinds of queues have to be.</summary>
    private static ushort CheckQueue(in NvmeCommand command, bool exists)
    {
        (ushort id, int size) = QueueOf(command);
        if (id is 0 or > MostQueues || exists)
        {
            return InvalidQueueId;
        }

        if (size is < 2 or > LargestQueue)
        {
            return InvalidQueueSize;
        }

        bool isContiguous = (command.Dword11 & PhysicallyContiguous) != 0 && command.Prp1 != 0 && (command.Prp1 & (PageSize - 1)) == 0;
        return isContiguous ? Success : InvalidField;
    }

    private ushort CreateCompletions(NvmeCommand command)
    {
        (ushort id, int size) = QueueOf(command);
        ushort vector = (ushort)(command.Dword11 >> 16);
        ushort status = CheckQueue(command, _completions.ContainsKey(id));
        if (status == Success && vector > MostQueues)
        {
            status = InvalidInterruptVector;
        }

        if (status == Success)
        {
            _completions[id] = new NvmeCompletionQueue(id, command.Prp1, size, (command.Dword11 & InterruptsEnabled) != 0, vector);
        }

        return status;
    }

    private ushort CreateSubmissions(NvmeCommand command)
    {
        (ushort id, int size) = QueueOf(command);
        ushort completions = (ushort)(command.Dword11 >> 16);
        ushort status = CheckQueue(command, _submissions.ContainsKey(id));
        if (status == Success && (completions == 0 || !_completions.ContainsKey(completions)))
        {
            status = CompletionQueueInvalid;
        }

        if (status == Success)
        {
            _submissions[id] = new NvmeSubmissionQueue(id, completions, command.Prp1, size);
        }

        return status;
    }

    private ushort DeleteSubmissions(NvmeCommand command)
    {
        (ushort id, _) = QueueOf(command);
        return id != 0 && _submissions.Remove(id) ? Success : InvalidQueueId; // what it still held is forgotten
    }

    private ushort DeleteCompletions(NvmeCommand command)
    {
        (ushort id, _) = QueueOf(command);
        if (id == 0 || !_completions.ContainsKey(id))
        {
            return InvalidQueueId;
        }

        if (_submissions.Values.Any(queue => queue.CompletionQueue == id))
        {
            return InvalidQueueDeletion;
        }

        _completions.Remove(id);
        UpdateInterrupt();
        return Success;
    }

    private ushort TakeEventRequest(NvmeCommand command)
    {
        if (_eventRequests.Count == MostEventRequests)
        {
            return TooManyEventRequests;
        }

        _eventRequests.Add(command.Id);
        TellEvents();
        return Later;
    }

    /// <summary>A command that was taken has been executed: only requests for events can still be found.</summary>
    /// <returns>Whether it was aborted.</returns>
    private bool ExecuteAbort(NvmeCommand command)
    {
        const ushort abortRequested = 0x007;
        ushort id = (ushort)(command.Dword10 >> 16);
        if ((command.Dword10 & 0xFFFF) != 0 || _completions[0].IsFull || !_eventRequests.Remove(id))
        {
            return false;
        }

        Complete(_submissions[0], id, abortRequested, 0);
        return true;
    }

    private ushort ExecuteSetFeatures(in NvmeCommand command, out uint result)
    {
        result = 0;
        byte feature = (byte)command.Dword10;
        lock (_gate)
        {
            switch (feature)
            {
                case NumberOfQueues when _submissions.Count > 1 || _completions.Count > 1:
                    return CommandSequenceError;
                case NumberOfQueues when (command.Dword11 & 0xFFFF) == 0xFFFF || command.Dword11 >> 16 == 0xFFFF:
                    return InvalidField;
                case NumberOfQueues:
                    result = _features[NumberOfQueues]; // as many as there are, whatever is asked for
                    return Success;
                case VolatileWriteCache:
                    Volatile.Write(ref _features[VolatileWriteCache], command.Dword11 & 1);
                    return Success;
                case Arbitration or PowerManagement or TemperatureThreshold or ErrorRecovery or InterruptCoalescing
                    or InterruptVectorConfiguration or WriteAtomicity or EventConfiguration:
                    _features[feature] = command.Dword11;
                    return Success;
                default:
                    return InvalidField;
            }
        }
    }

    private ushort ExecuteGetFeatures(in NvmeCommand command, out uint result)
    {
        byte feature = (byte)command.Dword10;
        bool isKnown = feature is Arbitration
            or PowerManagement
            or TemperatureThreshold
            or ErrorRecovery
            or VolatileWriteCache
            or NumberOfQueues
            or InterruptCoalescing or InterruptVectorConfiguration or WriteAtomicity or EventConfiguration;
        lock (_gate)
        {
            result = isKnown ? _features[feature] : 0;
            return isKnown ? Success : InvalidField;
        }
    }
}
