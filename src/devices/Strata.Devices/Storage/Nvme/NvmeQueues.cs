namespace Strata.Devices.Storage.Nvme;

/// <summary>A submission queue. Under the controller's lock.</summary>
internal sealed class NvmeSubmissionQueue(ushort id, ushort completionQueue, ulong address, int size)
{
    public ushort Id => id;

    public ushort CompletionQueue => completionQueue;

    /// <summary>Guest-physical.</summary>
    public ulong Address => address;

    /// <summary>Entries.</summary>
    public int Size => size;

    /// <summary>Entry that the controller takes next.</summary>
    public int Head { get; set; }

    /// <summary>Entry that the guest writes next.</summary>
    public int Tail { get; set; }
}

/// <summary>A completion queue. Under the controller's lock.</summary>
internal sealed class NvmeCompletionQueue(ushort id, ulong address, int size, bool interrupts, ushort vector)
{
    public ushort Id => id;

    /// <summary>Guest-physical.</summary>
    public ulong Address => address;

    /// <summary>Entries.</summary>
    public int Size => size;

    public bool Interrupts => interrupts;

    public ushort Vector => vector;

    /// <summary>Entry that the guest takes next.</summary>
    public int Head { get; set; }

    /// <summary>Entry that the controller writes next.</summary>
    public int Tail { get; set; }

    /// <summary>The phase tag of this round.</summary>
    public bool Phase { get; set; } = true;

    public bool IsFull => (Tail + 1) % size == Head;
}
