namespace Strata.Machines.Boot;

/// <summary>What a guest is started from, for as long as that takes. Disposing it gives its memory back.</summary>
/// <param name="owners">Of the memory; disposed with this.</param>
public sealed class BootImages(IReadOnlyList<IDisposable> owners) : IDisposable
{
    public required ReadOnlyMemory<byte> Kernel { get; init; }

    /// <summary>Empty for none.</summary>
    public ReadOnlyMemory<byte> Initrd { get; init; }

    /// <summary>Further files for kernels that know modules.</summary>
    public IReadOnlyList<BootModule> Modules { get; init; } = [];

    public void Dispose()
    {
        foreach (IDisposable owner in owners)
        {
            owner.Dispose();
        }
    }
}
