using Strata.Core.Storage;

namespace Strata.Devices.Storage;

/// <summary>A drive whose medium is taken out and put in while the machine runs. Members are safe on any thread.</summary>
public interface IRemovableDrive
{
    /// <summary>A medium is in the drive, whether the guest has put it out on the tray or not.</summary>
    bool HasMedium { get; }

    /// <summary>The guest has put the tray out: it sees no medium.</summary>
    bool IsOpen { get; }

    /// <summary>The guest keeps the tray shut, such as while it has mounted the disc.</summary>
    bool IsLocked { get; }

    /// <summary>Tells the guest that somebody wants the medium out. One that listens unmounts it, and opens the tray.</summary>
    void RequestEject();

    /// <summary>
    /// Takes the medium out, whatever the guest does with it, and puts another one in. The guest is told; a command that reads the old one
    /// fails.
    /// </summary>
    /// <param name="medium">The drive's from here on; null for none.</param>
    /// <returns>The one before, for the caller to dispose; null for none.</returns>
    /// <exception cref="ArgumentException">The drive takes no medium of this size; nothing has been changed.</exception>
    IBlockBackend? Exchange(IBlockBackend? medium);
}
