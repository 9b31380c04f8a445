using Strata.Core.Memory;
using Strata.Machines.Boot;

namespace Strata;

/// <summary>
/// Kernel, initial RAM disks and modules of a machine, read whenever the guest starts: a machine that runs does not keep their bytes, which
/// lie in the host's page cache anyway. Those of a restored machine are opened when its guest resets it, and not before. Members are called
/// one at a time, by any thread.
/// </summary>
internal sealed class BootFiles : IDisposable
{
    private readonly MachineSpec _spec;
    private readonly List<BootFile> _initrds = [];
    private readonly List<(BootFile File, string Text)> _modules = [];
    private BootFile? _kernel;
    private BootImages? _first;

    private BootFiles(MachineSpec spec) => _spec = spec;

    /// <summary>Opens and reads the files now.</summary>
    /// <exception cref="StrataException">A file cannot be read.</exception>
    public static async Task<BootFiles> ReadAsync(MachineSpec spec, CancellationToken cancellationToken)
    {
        BootFiles files = new(spec);
        try
        {
            await files.OpenAsync(cancellationToken).ConfigureAwait(false);
            files._first = await files.LoadAsync(cancellationToken).ConfigureAwait(false);
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Opens and reads the files when they are needed.</summary>
    public static BootFiles Later(MachineSpec spec) => new(spec);

    /// <summary>What the guest is started from; the caller disposes it.</summary>
    /// <exception cref="BootImageException">A file cannot be read, or is not what it was at the first start.</exception>
    public BootImages Load()
    {
        if (Interlocked.Exchange(ref _first, null) is { } first)
        {
            return first;
        }

        try
        {
            if (_kernel is null)
            {
                OpenAsync(CancellationToken.None).GetAwaiter().GetResult();
            }

            return LoadAsync(CancellationToken.None).GetAwaiter().GetResult();
        }
        catch (StrataException error)
        {
            throw new BootImageException(error.Message, error);
        }
    }

    public void Dispose()
    {
        _first?.Dispose();
        Close();
    }

    private async Task OpenAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (string path in _spec.Initrd is null ? _spec.InitrdOverlays : [_spec.Initrd, .. _spec.InitrdOverlays])
            {
                _initrds.Add(await OpenAsync(path, "initrd", cancellationToken).ConfigureAwait(false));
            }

            foreach (ModuleFile module in _spec.Modules)
            {
                _modules.Add((await OpenAsync(module.Path, "module", cancellationToken).ConfigureAwait(false), module.Text));
            }

            _kernel = await OpenAsync(_spec.Kernel!, "kernel", cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Close();
            throw;
        }
    }

    private Task<BootFile> OpenAsync(string path, string what, CancellationToken cancellationToken) =>
        BootFile.OpenAsync(path, what, _spec.Memory, cancellationToken);

    private async Task<BootImages> LoadAsync(CancellationToken cancellationToken)
    {
        List<IDisposable> owners = [];
        try
        {
            ReadOnlyMemory<byte> kernel = await LoadAsync([_kernel!], owners, cancellationToken).ConfigureAwait(false);
            ReadOnlyMemory<byte> initrd = await LoadAsync(_initrds, owners, cancellationToken).ConfigureAwait(false);
            List<BootModule> modules = [];
            foreach ((BootFile file, string text) in _modules)
            {
                modules.Add(new BootModule(await LoadAsync([file], owners, cancellationToken).ConfigureAwait(false), text));
            }

            return new BootImages(owners) { Kernel = kernel, Initrd = initrd, Modules = modules };
        }
        catch
        {
            owners.ForEach(owner => owner.Dispose());
            throw;
        }
    }

    /// <summary>Files behind each other: archives are unpacked one after the other, each at a multiple of four.</summary>
    private async Task<ReadOnlyMemory<byte>> LoadAsync(
        IReadOnlyList<BootFile> files, List<IDisposable> owners, CancellationToken cancellationToken)
    {
        long size = files.Sum(file => (long)Place(file, files));
        if (size > (long)Math.Min(_spec.Memory, (ulong)Array.MaxLength))
        {
            throw new StrataException(
                StrataError.BadInput,
                $"The initrds ({size >> 20} MiB) do not fit into {_spec.Memory >> 20} MiB of memory: give the machine more.");
        }

        HostBuffer buffer = new((int)size);
        owners.Add(buffer);
        int at = 0;
        foreach (BootFile file in files)
        {
            await file.ReadAsync(buffer.Memory.Slice(at, file.Length), cancellationToken).ConfigureAwait(false);
            at += Place(file, files);
        }

        return buffer.Memory;
    }

    private static int Place(BootFile file, IReadOnlyList<BootFile> files) => files.Count == 1 ? file.Length : (file.Length + 3) & ~3;

    private void Close()
    {
        _kernel?.Dispose();
        _initrds.ForEach(file => file.Dispose());
        _modules.ForEach(module => module.File.Dispose());
        _kernel = null;
        _initrds.Clear();
        _modules.Clear();
    }
}
