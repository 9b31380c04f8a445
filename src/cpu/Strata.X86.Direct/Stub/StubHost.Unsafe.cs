using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Strata.Core.Posix;

namespace Strata.X86.Direct.Stub;

/// <summary>What all stub processes of one machine are made from: the program's file and the guest's RAM. Any thread.</summary>
internal sealed unsafe class StubHost : IDisposable
{
    private const int FirstDescriptor = 16; // above those that a stub gets: duplicating must not overwrite one that is still needed
    private const int DuplicateCloseOnExec = 1030; // F_DUPFD_CLOEXEC

    private readonly SafeFileHandle _program;
    private readonly SafeFileHandle _ram;

    /// <param name="ram">A memory file; duplicated.</param>
    /// <exception cref="DirectUnavailableException">The host refuses.</exception>
    public StubHost(SafeFileHandle ram)
    {
        _ram = Raise(ram);
        _program = MakeProgram();
    }

    /// <summary>Starts a process, which is ready for <see cref="StubProcess.Run"/> when this returns.</summary>
    /// <exception cref="DirectUnavailableException">The host refuses; the message says what.</exception>
    public StubProcess Start()
    {
        using SafeFileHandle shared = HostMapping.CreateMemoryFile("strata-stub", StubLayout.FileSize);
        using SafeFileHandle file = Raise(shared);
        byte* memory = (byte*)HostMapping.MapFile((int)file.DangerousGetHandle(), 0, StubLayout.FileSize, isShared: true);
        try
        {
            *(uint*)(memory + StubLayout.ControlOffset.Run) = 1; // the stub shows its first frame as the end of a run
            *(int*)(memory + StubLayout.ControlOffset.Monitor) = Environment.ProcessId;
            StubProcess stub = new(Spawn(file), memory);
            stub.WaitUntilReady();
            return stub;
        }
        catch
        {
            HostMapping.Release((nint)memory, StubLayout.FileSize);
            throw;
        }
    }

    public void Dispose()
    {
        _program.Dispose();
        _ram.Dispose();
    }

    private int Spawn(SafeFileHandle file)
    {
        const int actionsSize = 1024; // glibc's posix_spawn_file_actions_t has 80 bytes, musl's fewer

        // SAFETY: the structure is larger than any C library's; the arrays end with null; all live until the call is over.
        byte* actions = stackalloc byte[actionsSize];
        byte* name = stackalloc byte[] { (byte)'s', (byte)'t', (byte)'u', (byte)'b', 0 };
        byte** arguments = stackalloc byte*[2] { name, null };
        byte** environment = stackalloc byte*[1] { null };
        int process = 0;
        _ = HostCalls.InitializeActions(actions);
        int error = HostCalls.AddDuplicate(actions, (int)_ram.DangerousGetHandle(), StubLayout.RamDescriptor);
        error = error != 0 ? error
            : HostCalls.AddDuplicate(actions, (int)file.DangerousGetHandle(), StubLayout.FileDescriptor);
        error = error != 0 ? error : HostCalls.Spawn(
            &process, $"/proc/self/fd/{_program.DangerousGetHandle()}", actions, null, arguments, environment);
        _ = HostCalls.DestroyActions(actions);
        return error == 0 ? process : throw new DirectUnavailableException(
            $"The host cannot start a process for guest programs (errno {error}): it has too many, or forbids programs in memory files. " +
            $"Use --engine translator.");
    }

    private static SafeFileHandle MakeProgram()
    {
        const int invalid = 22; // EINVAL: a kernel that does not know the flag needs none
        const uint sealable = 2; // MFD_ALLOW_SEALING
        int descriptor = HostCalls.CreateMemoryFile("strata-stub-program", HostCalls.CloseOnExec | sealable | HostCalls.Executable);
        if (descriptor < 0 && Marshal.GetLastPInvokeError() == invalid)
        {
            descriptor = HostCalls.CreateMemoryFile("strata-stub-program", HostCalls.CloseOnExec | sealable);
        }

        if (descriptor < 0)
        {
            throw new DirectUnavailableException(
                $"The host forbids programs in memory files (errno {Marshal.GetLastPInvokeError()}). Use --engine translator.");
        }

        using SafeFileHandle file = new(descriptor, ownsHandle: true);
        RandomAccess.Write(file, StubImage.Build(), 0);
        const int addSeals = 1033; // F_ADD_SEALS
        const int everySeal = 0xF; // no seals, size or bytes change any more
        _ = HostCalls.ControlDescriptor(descriptor, addSeals, everySeal);
        return Raise(file);
    }

    /// <summary>The same file under a number that no stub uses.</summary>
    private static SafeFileHandle Raise(SafeFileHandle file)
    {
        int descriptor = HostCalls.ControlDescriptor((int)file.DangerousGetHandle(), DuplicateCloseOnExec, FirstDescriptor);
        GC.KeepAlive(file);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw new DirectUnavailableException(
            $"The host has no descriptor left (errno {Marshal.GetLastPInvokeError()}). Close files or raise `ulimit -n`.");
    }
}
