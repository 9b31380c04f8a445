using Strata.Core.State;
using static Strata.Devices.Storage.Nvme.NvmeRegisters;

namespace Strata.Devices.Storage.Nvme;

/// <summary>State of an NVMe controller, apart from its PCI function; what lies on the disk is saved apart.</summary>
public sealed class NvmeState : IStateRecord<NvmeState>
{
    public static ushort Version => 1;

    /// <summary>Blocks of the namespace when it was saved: a driver knows the size and does not ask again.</summary>
    public required long Blocks { get; set; }

    /// <summary>CC.</summary>
    public required uint Config { get; set; }

    /// <summary>CSTS.</summary>
    public required uint Status { get; set; }

    public required uint InterruptMask { get; set; }

    /// <summary>AQA.</summary>
    public required uint AdminAttributes { get; set; }

    /// <summary>ASQ.</summary>
    public required ulong AdminSubmission { get; set; }

    /// <summary>ACQ.</summary>
    public required ulong AdminCompletion { get; set; }

    /// <summary>The submission queue that had its turn last.</summary>
    public required ushort LastServed { get; set; }

    /// <summary>Errors that no request for events has taken yet, a bit for each kind.</summary>
    public required byte PendingErrors { get; set; }

    public required bool AreErrorsMasked { get; set; }

    /// <summary>CC.EN was cleared, and the reset is still to come.</summary>
    public required bool IsResetWanted { get; set; }

    /// <summary>By their identifiers.</summary>
    public required uint[] Features { get; set; }

    /// <summary>Identifiers of the requests for events that wait.</summary>
    public required ushort[] EventRequests { get; set; }

    public required NvmeCompletionQueueState[] CompletionQueues { get; set; }

    public required NvmeSubmissionQueueState[] SubmissionQueues { get; set; }

    public static NvmeState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new NvmeState
        {
            Blocks = reader.Read<long>(nameof(Blocks), 0, long.MaxValue),
            Config = reader.ReadBits(nameof(Config), CcWritable),
            Status = reader.ReadBits(nameof(Status), CstsReady | CstsFatal | CstsShutdown),
            InterruptMask = reader.Read<uint>(nameof(InterruptMask)),
            AdminAttributes = reader.ReadBits(nameof(AdminAttributes), AqaWritable),
            AdminSubmission = reader.Read<ulong>(nameof(AdminSubmission)),
            AdminCompletion = reader.Read<ulong>(nameof(AdminCompletion)),
            LastServed = reader.Read<ushort>(nameof(LastServed), 0, NvmeController.MostQueues),
            PendingErrors = reader.ReadBits<byte>(nameof(PendingErrors), 3),
            AreErrorsMasked = reader.ReadBoolean(nameof(AreErrorsMasked)),
            IsResetWanted = reader.ReadBoolean(nameof(IsResetWanted)),
            Features = reader.ReadExactly<uint>(nameof(Features), FeatureCount),
            EventRequests = reader.ReadArray<ushort>(nameof(EventRequests), NvmeController.MostEventRequests),
            CompletionQueues = reader.ReadRecords<NvmeCompletionQueueState>(nameof(CompletionQueues), NvmeController.MostQueues + 1),
            SubmissionQueues = reader.ReadRecords<NvmeSubmissionQueueState>(nameof(SubmissionQueues), NvmeController.MostQueues + 1),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Blocks);
        writer.Write(Config);
        writer.Write(Status);
        writer.Write(InterruptMask);
        writer.Write(AdminAttributes);
        writer.Write(AdminSubmission);
        writer.Write(AdminCompletion);
        writer.Write(LastServed);
        writer.Write(PendingErrors);
        writer.Write(AreErrorsMasked);
        writer.Write(IsResetWanted);
        writer.WriteArray<uint>(Features);
        writer.WriteArray<ushort>(EventRequests);
        writer.WriteRecords(CompletionQueues);
        writer.WriteRecords(SubmissionQueues);
    }
}

/// <summary>State of a completion queue.</summary>
public sealed class NvmeCompletionQueueState : IStateRecord<NvmeCompletionQueueState>
{
    public static ushort Version => 1;

    public required ushort Id { get; set; }

    /// <summary>Guest-physical.</summary>
    public required ulong Address { get; set; }

    /// <summary>Entries.</summary>
    public required int Size { get; set; }

    public required int Head { get; set; }

    public required int Tail { get; set; }

    public required bool Phase { get; set; }

    public required bool Interrupts { get; set; }

    public required ushort Vector { get; set; }

    public static NvmeCompletionQueueState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        int size = reader.Read(nameof(Size), 2, 4096);
        return new NvmeCompletionQueueState
        {
            Size = size,
            Id = reader.Read<ushort>(nameof(Id), 0, NvmeController.MostQueues),
            Address = reader.Read<ulong>(nameof(Address)),
            Head = reader.Read(nameof(Head), 0, size - 1),
            Tail = reader.Read(nameof(Tail), 0, size - 1),
            Phase = reader.ReadBoolean(nameof(Phase)),
            Interrupts = reader.ReadBoolean(nameof(Interrupts)),
            Vector = reader.Read<ushort>(nameof(Vector), 0, NvmeController.MostQueues),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Size);
        writer.Write(Id);
        writer.Write(Address);
        writer.Write(Head);
        writer.Write(Tail);
        writer.Write(Phase);
        writer.Write(Interrupts);
        writer.Write(Vector);
    }
}

/// <summary>State of a submission queue.</summary>
public sealed class NvmeSubmissionQueueState : IStateRecord<NvmeSubmissionQueueState>
{
    public static ushort Version => 1;

    public required ushort Id { get; set; }

    public required ushort CompletionQueue { get; set; }

    /// <summary>Guest-physical.</summary>
    public required ulong Address { get; set; }

    /// <summary>Entries.</summary>
    public required int Size { get; set; }

    public required int Head { get; set; }

    public required int Tail { get; set; }

    public static NvmeSubmissionQueueState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        int size = reader.Read(nameof(Size), 2, 4096);
        return new NvmeSubmissionQueueState
        {
            Size = size,
            Id = reader.Read<ushort>(nameof(Id), 0, NvmeController.MostQueues),
            CompletionQueue = reader.Read<ushort>(nameof(CompletionQueue), 0, NvmeController.MostQueues),
            Address = reader.Read<ulong>(nameof(Address)),
            Head = reader.Read(nameof(Head), 0, size - 1),
            Tail = reader.Read(nameof(Tail), 0, size - 1),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Size);
        writer.Write(Id);
        writer.Write(CompletionQueue);
        writer.Write(Address);
        writer.Write(Head);
        writer.Write(Tail);
    }
}

/// <content>The controller behind the function, as a unit of state.</content>
public sealed partial class NvmeController
{
    private NvmeState SaveController()
    {
        lock (_gate)
        {
            return new NvmeState
            {
                Blocks = _disk.Sectors,
                Config = _config,
                Status = _status,
                InterruptMask = _interruptMask,
                AdminAttributes = _adminAttributes,
                AdminSubmission = _adminSubmission,
                AdminCompletion = _adminCompletion,
                LastServed = _lastServed,
                PendingErrors = _pendingErrors,
                AreErrorsMasked = _areErrorsMasked,
                IsResetWanted = _isResetWanted,
                Features = [.. _features],
                EventRequests = [.. _eventRequests],
                CompletionQueues =
                [
                    .. _completions.Values.Select(queue => new NvmeCompletionQueueState
                    {
                        Id = queue.Id,
                        Address = queue.Address,
                        Size = queue.Size,
                        Head = queue.Head,
                        Tail = queue.Tail,
                        Phase = queue.Phase,
                        Interrupts = queue.Interrupts,
                        Vector = queue.Vector,
                    }),
                ],
                SubmissionQueues =
                [
                    .. _submissions.Values.Select(queue => new NvmeSubmissionQueueState
                    {
                        Id = queue.Id,
                        CompletionQueue = queue.CompletionQueue,
                        Address = queue.Address,
                        Size = queue.Size,
                        Head = queue.Head,
                        Tail = queue.Tail,
                    }),
                ],
            };
        }
    }

    private void LoadController(NvmeState state)
    {
        Check(state);
        lock (_gate)
        {
            (_config, _status, _interruptMask) = (state.Config, state.Status, state.InterruptMask);
            (_adminAttributes, _adminSubmission, _adminCompletion) = (state.AdminAttributes, state.AdminSubmission, state.AdminCompletion);
            (_lastServed, _pendingErrors, _areErrorsMasked) = (state.LastServed, state.PendingErrors, state.AreErrorsMasked);
            _isResetWanted = state.IsResetWanted;
            state.Features.CopyTo(_features, 0);
            _eventRequests.Clear();
            _eventRequests.AddRange(state.EventRequests);
            _completions.Clear();
            _submissions.Clear();
            foreach (NvmeCompletionQueueState queue in state.CompletionQueues)
            {
                _completions.Add(queue.Id, new NvmeCompletionQueue(queue.Id, queue.Address, queue.Size, queue.Interrupts, queue.Vector)
                {
                    Head = queue.Head,
                    Tail = queue.Tail,
                    Phase = queue.Phase,
                });
            }

            foreach (NvmeSubmissionQueueState queue in state.SubmissionQueues)
            {
                _submissions.Add(
                    queue.Id, new NvmeSubmissionQueue(queue.Id, queue.CompletionQueue, queue.Address, queue.Size)
                    {
                        Head = queue.Head,
                        Tail = queue.Tail,
                    });
            }
        }
    }

    private void Check(NvmeState state)
    {
        ushort[] completions = [.. state.CompletionQueues.Select(queue => queue.Id)];
        ushort[] submissions = [.. state.SubmissionQueues.Select(queue => queue.Id)];
        bool isReady = (state.Status & CstsReady) != 0;
        string? why = 0 switch
        {
            _ when state.Blocks != _disk.Sectors =>
                $"is of a disk of {state.Blocks} blocks, and this one has {_disk.Sectors}: give the machine the disk that it had",
            _ when completions.Distinct().Count() != completions.Length || submissions.Distinct().Count() != submissions.Length =>
                "has a queue twice",
            _ when state.SubmissionQueues.Any(queue => !completions.Contains(queue.CompletionQueue)) =>
                "has a submission queue without a completion queue",
            _ when isReady != completions.Contains((ushort)0) || isReady != submissions.Contains((ushort)0) =>
                "is ready without admin queues, or has them without being ready",
            _ => null,
        };
        if (why is not null)
        {
            throw new StateException($"The saved state of {_unit.UnitName} cannot be used: it {why}.");
        }
    }

    private void ResetAll()
    {
        lock (_gate)
        {
            ResetController();
            (_config, _interruptMask, _adminAttributes, _adminSubmission, _adminCompletion) = (0, 0, 0, 0, 0);
        }
    }

    private sealed class Unit(NvmeController owner) : IUnit<NvmeState>
    {
        public string UnitName => $"{owner.UnitName}/nvme";

        public void Reset() => owner.ResetAll();

        public void Quiesce() => owner._worker.Park();

        public void Resume() => owner._worker.Unpark();

        public NvmeState SaveState() => owner.SaveController();

        public void LoadState(NvmeState state)
        {
            ArgumentNullException.ThrowIfNull(state);
            owner.LoadController(state);
        }
    }
}
