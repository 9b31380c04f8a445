using Microsoft.Win32.SafeHandles;

namespace Strata.Snapshots.Memory;

/// <summary>
/// A file, or memory without a name, that holds chunks of memories at the offsets that they have there; the rest of it is holes. It is
/// written once, by a <see cref="MemoryImageBuilder"/>, and shared by all images that were made from there on: a count of references closes
/// it. Safe on any thread.
/// </summary>
public sealed class MemoryLayer
{
    private int _references = 1;

    /// <param name="name">Its file's name in a set of snapshots; of one without a file, any that is unique.</param>
    /// <param name="file">Of at least the memory's size; the layer's from here on.</param>
    public MemoryLayer(string name, SafeFileHandle file)
    {
        Name = name;
        File = file;
    }

    public string Name { get; }

    /// <summary>For reading and private mappings.</summary>
    public SafeFileHandle File { get; }

    /// <summary>One more image has it.</summary>
    internal MemoryLayer Share()
    {
        int references = Interlocked.Increment(ref _references);
        ObjectDisposedException.ThrowIf(references <= 1, this);
        return this;
    }

    /// <summary>An image that had it is gone. Mappings of it stay as they are.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            File.Dispose();
        }
    }
}
