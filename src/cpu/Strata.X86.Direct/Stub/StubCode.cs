using System.Buffers.Binary;
using static Strata.X86.Direct.Stub.StubAssembler;

namespace Strata.X86.Direct.Stub;

/// <summary>
/// The program of a stub process. Two threads share its address space: the <i>mapper</i>, which maps guest pages as the monitor's control
/// page says, and the <i>runner</i>, which enters guest code and is parked otherwise.
/// <para>Guest code can jump anywhere in here, with any registers. Nothing depends on that it does not: what either thread may ask of the
/// host is limited by its own filter (<see cref="StubFilter"/>), not by where it executes; the mapper keeps nothing in memory that guest
/// code can write; and the runner's code takes what it needs from the control page, which guest code cannot write.</para>
/// </summary>
internal sealed class StubCode
{
    /// <summary>Asks the runner to come back: SIGUSR1.</summary>
    public const int KickSignal = 10;

    private const int SetFlags = 2; // the bit of RFLAGS that is always set
    private const int LastError = -4095;

    /// <summary>SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, and the kick.</summary>
    private static readonly int[] Signals = [4, 5, 7, 8, 11, 31, KickSignal];

    private readonly StubAssembler _code;
    private readonly Label _enter = new();
    private readonly Label _runner = new();
    private readonly Label _mapper = new();

    private ulong _handlerAddress;
    private ulong _signalAction;
    private ulong _noSignals;
    private ulong _allSignals;
    private ulong _stack;
    private ulong _noLimit;
    private ulong _blocked;
    private ulong _runnerFilter;
    private ulong _mapperFilter;

    /// <summary>Why a stub ends before it is ready: its exit codes.</summary>
    private enum Failure : byte
    {
        Control = 11,
        Public = 12,
        UnmapBelow = 13,
        UnmapAbove = 14,
        Descriptors = 15,
        DeathSignal = 16,
        Orphan = 17,
        NoNewPrivileges = 18,
        CoreLimit = 19,
        SignalMask = 20,
        SignalAction = 21,
        Thread = 22,
        SignalStack = 23,
        TimeStampCounter = 24,
        Filter = 26,
        Command = 27,
        Dispatch = 28,
    }

    /// <param name="origin">Where the code will lie, behind the headers.</param>
    private StubCode(ulong origin) => _code = new StubAssembler(origin);

    /// <summary>The bytes of the program, and where it begins.</summary>
    public static (byte[] Bytes, ulong Entry) Build(ulong origin)
    {
        StubCode stub = new(origin);
        stub.EmitRunner(); // first: its signal handler's address is part of the constants
        stub.EmitConstants();
        ulong entry = stub._code.Here;
        stub.EmitStart();
        stub.EmitRunnerStart();
        stub.EmitMapper();
        return (stub._code.Finish(), entry);
    }

    /// <summary>Whether an exit code says that the host has refused a command: the mapper's alone can, and it wakes nobody then.</summary>
    public static bool IsRefusal(int exitCode) => exitCode == (int)Failure.Command;

    /// <summary>What an exit code of a stub that did not become ready means, as the end of a sentence.</summary>
    public static string Explain(int exitCode) => (Failure)exitCode switch
    {
        Failure.UnmapBelow or Failure.UnmapAbove => "the host keeps pages of its own in every process (sealed mappings)",
        Failure.Descriptors => "the host has no close_range (Linux 5.9 and newer have it)",
        Failure.TimeStampCounter => "the host cannot make RDTSC fault (PR_SET_TSC)",
        Failure.Dispatch => "the host cannot turn system calls into signals (syscall user dispatch; Linux 5.11 and newer can)",
        Failure.Filter => "the host refuses system-call filters (seccomp)",
        _ => $"its start failed with code {exitCode}",
    };

    private void EmitConstants()
    {
        _code.Align(16);
        _signalAction = _code.Here;
        const ulong flags = 4 | 0x0400_0000 | 0x0800_0000 | 0x4000_0000; // SA_SIGINFO, SA_RESTORER, SA_ONSTACK, SA_NODEFER
        _code.Data(_handlerAddress);
        _code.Data(flags);
        _code.Data(_handlerAddress); // nobody returns to the restorer
        _code.Data(0);
        _noSignals = _code.Here;
        _code.Data(0);
        _allSignals = _code.Here;
        _code.Data(ulong.MaxValue);
        _stack = _code.Here;
        _code.Data(StubLayout.Stack);
        _code.Data(0);
        _code.Data(StubLayout.StackSize);
        _noLimit = _code.Here;
        _code.Data(0);
        _code.Data(0);
        _blocked = _code.Here; // SYSCALL_DISPATCH_FILTER_BLOCK, for ever
        _code.Data(1);
        _runnerFilter = EmitFilter(StubFilter.Runner());
        _mapperFilter = EmitFilter(StubFilter.Mapper());
        _code.Align(16);
    }

    /// <returns>Address of a struct sock_fprog.</returns>
    private ulong EmitFilter(byte[] instructions)
    {
        ulong program = _code.Here;
        _code.Data(instructions);
        ulong header = _code.Here;
        _code.Data((ulong)(instructions.Length / 8));
        _code.Data(program);
        return header;
    }

    /// <summary>The first thread, with nothing restricted yet and no guest page mapped.</summary>
    private void EmitStart()
    {
        _code.Move(Rbx, StubLayout.Control);
        _code.Move(Rbp, StubLayout.Public);
        Call(
            HostCall.Mmap, Failure.Control, StubLayout.Control, StubLayout.ControlSize, HostCalls.ProtectRead,
            HostCalls.MapShared | HostCalls.MapFixed, StubLayout.FileDescriptor, 0);
        Call(
            HostCall.Mmap, Failure.Public, StubLayout.Public, StubLayout.PublicSize + StubLayout.StackSize,
            HostCalls.ProtectRead | HostCalls.ProtectWrite, HostCalls.MapShared | HostCalls.MapFixed, StubLayout.FileDescriptor,
            StubLayout.ControlSize);
        Call(HostCall.Munmap, Failure.UnmapBelow, StubLayout.UserStart, StubLayout.Base - StubLayout.UserStart);
        Call(HostCall.Munmap, Failure.UnmapAbove, StubLayout.End, StubLayout.UserEnd - StubLayout.End);
        Call(HostCall.CloseRange, Failure.Descriptors, StubLayout.RamDescriptor + 1, uint.MaxValue, 0);
        Call(HostCall.CloseRange, Failure.Descriptors, 0, StubLayout.RamDescriptor - 1, 0);
        Call(HostCall.ProcessControl, Failure.DeathSignal, 1, 9); // PR_SET_PDEATHSIG, SIGKILL
        Call(HostCall.ParentProcess, Failure.Orphan);
        Label isChild = new();
        _code.Compare32(Rax, Rbx, StubLayout.ControlOffset.Monitor);
        _code.Jump(Condition.Equal, isChild);
        Exit(Failure.Orphan); // the monitor ended before the line above
        _code.Place(isChild);
        Call(HostCall.ProcessControl, Failure.NoNewPrivileges, 38, 1, 0, 0, 0); // PR_SET_NO_NEW_PRIVS
        Call(HostCall.SetLimit, Failure.CoreLimit, 4, _noLimit); // RLIMIT_CORE
        Call(HostCall.SignalMask, Failure.SignalMask, 2, _allSignals, 0, 8); // SIG_SETMASK: the mapper hears none
        foreach (int signal in Signals)
        {
            Call(HostCall.SignalAction, Failure.SignalAction, (ulong)signal, _signalAction, 0, 8);
        }

        // CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, PARENT_SETTID; no stack, which neither thread uses before it has one.
        const ulong thread = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000 | 0x10_0000;
        Call(HostCall.Clone, Failure.Thread, thread, 0, StubLayout.Public + StubLayout.PublicOffset.Runner, 0, 0);
        _code.Test32(Rax);
        _code.Jump(Condition.Equal, _runner);
        Call(HostCall.Seccomp, Failure.Filter, 1, 0, _mapperFilter);
        _code.Zero(R12); // the batch that has been carried out
        _code.Jump(_mapper);
    }

    /// <summary>The second thread: takes away what it must not have, and shows its first frame by a breakpoint.</summary>
    private void EmitRunnerStart()
    {
        _code.Place(_runner);
        Call(HostCall.SignalStack, Failure.SignalStack, _stack, 0);
        Call(HostCall.ProcessControl, Failure.TimeStampCounter, 26, 2); // PR_SET_TSC, PR_TSC_SIGSEGV
        Call(HostCall.SignalMask, Failure.SignalMask, 2, _noSignals, 0, 8);
        const ulong dispatch = 59; // PR_SET_SYSCALL_USER_DISPATCH
        Call(HostCall.ProcessControl, Failure.Dispatch, dispatch, 1, StubLayout.Base, StubLayout.CodeSize, _blocked);
        Call(HostCall.Seccomp, Failure.Filter, 1, 0, _runnerFilter);
        _code.Breakpoint();
        _code.Undefined();
    }

    /// <summary>
    /// Carries out batches of commands; registers and the control page are all that it knows. It can wake the runner behind a batch, which
    /// the monitor has told to run already: that is one thread less to wait for.
    /// </summary>
    private void EmitMapper()
    {
        Label work = new();
        Label next = new();
        Label wait = new();
        Label done = new();
        Label tellMonitor = new();
        Label asleep = new();
        _code.Place(_mapper);
        _code.Load32(Rdx, Rbx, StubLayout.ControlOffset.Batch);
        _code.Compare32(Rdx, R12);
        _code.Jump(Condition.NotEqual, work);
        _code.Place(wait);
        _code.Address(Rdi, Rbx, StubLayout.ControlOffset.Batch);
        _code.Move(Rsi, HostCalls.FutexWait);
        _code.Zero(R10);
        _code.Move(Rax, (ulong)HostCall.Futex);
        _code.SystemCall();
        _code.Jump(_mapper);

        _code.Place(work);
        _code.Copy(R12, Rdx);
        _code.Load32(R13, Rbx, StubLayout.ControlOffset.CommandCount);
        _code.Address(R14, Rbx, StubLayout.ControlOffset.Commands);
        _code.Place(next);
        _code.Test32(R13);
        _code.Jump(Condition.Equal, done);
        int[] registers = [Rax, Rdi, Rsi, Rdx, R10, R8, R9];
        for (int i = 0; i < registers.Length; i++)
        {
            _code.Load64(registers[i], R14, 8 * i);
        }

        _code.SystemCall();
        DemandSuccess(Failure.Command);
        _code.Add64(R14, StubLayout.ControlOffset.CommandSize);
        _code.Decrement32(R13);
        _code.Jump(next);

        _code.Place(done); // only a hint: the monitor asks the kernel whether this thread sleeps again
        _code.Copy(Rax, R12);
        _code.Exchange32(Rbp, StubLayout.PublicOffset.BatchDone, Rax);
        _code.Load32(Rcx, Rbx, StubLayout.ControlOffset.WakesRunner);
        _code.Test32(Rcx);
        _code.Jump(Condition.Equal, tellMonitor);
        _code.Address(Rdi, Rbx, StubLayout.ControlOffset.ParkedRunner);
        Wake();
        _code.Test32(Rax);
        _code.Jump(Condition.NotEqual, asleep);
        _code.Address(Rdi, Rbx, StubLayout.ControlOffset.Run);
        Wake();
        _code.Jump(asleep);
        _code.Place(tellMonitor);
        _code.Address(Rdi, Rbp, StubLayout.PublicOffset.BatchDone);
        Wake();
        _code.Place(asleep);
        _code.Copy(Rdx, R12);
        _code.Jump(wait);
    }

    /// <summary>
    /// The signal handler: on a frame that the host's kernel has made, with the signal in EDI and the addresses of siginfo and ucontext in
    /// RSI and RDX, and zero in EAX. A signal that comes while the runner is parked, a kick that was late, changes nothing. One that comes
    /// before an earlier signal has been told of makes way for that: its frame says where the handler was.
    /// </summary>
    private void EmitRunner()
    {
        Label park = new();
        Label wait = new();
        Label handler = new();
        Label tell = new();
        Label told = new();
        _handlerAddress = _code.Here;
        _code.Place(handler);
        _code.Move(Rbx, StubLayout.Control);
        _code.Move(Rbp, StubLayout.Public);
        _code.Load32(Rcx, Rbx, StubLayout.ControlOffset.Run);
        _code.Compare32(Rcx, Rbp, StubLayout.PublicOffset.Event);
        _code.Jump(Condition.Equal, park);
        EmitDeference(handler, tell, told);
        _code.Place(tell);
        _code.Store32(Rbp, StubLayout.PublicOffset.Signal, Rdi);
        _code.Store64(Rbp, StubLayout.PublicOffset.Information, Rsi);
        _code.Store64(Rbp, StubLayout.PublicOffset.Context, Rdx);
        _code.ReadBase(Fs, Rcx);
        _code.Store64(Rbp, StubLayout.PublicOffset.FsBase, Rcx);
        _code.ReadBase(Gs, Rcx);
        _code.Store64(Rbp, StubLayout.PublicOffset.GsBase, Rcx);
        int[] segments = [Ds, Es, Fs, Gs];
        for (int i = 0; i < segments.Length; i++)
        {
            _code.LoadSelector(Rcx, segments[i]);
            _code.Store32(Rbp, StubLayout.PublicOffset.Selectors + (4 * i), Rcx);
        }

        _code.Load32(Rax, Rbx, StubLayout.ControlOffset.Run);
        _code.Exchange32(Rbp, StubLayout.PublicOffset.Event, Rax);
        _code.Place(told);
        _code.Load32(Rcx, Rbx, StubLayout.ControlOffset.Sleeps); // behind the exchange: a monitor that is about to sleep looks once more
        _code.Test32(Rcx);
        _code.Jump(Condition.Equal, park);
        _code.Address(Rdi, Rbp, StubLayout.PublicOffset.Event);
        Wake();

        _code.Place(park);
        _code.Move(Rsp, StubLayout.ParkedStack);
        _code.Place(wait);
        _code.Load32(Rdx, Rbx, StubLayout.ControlOffset.Run);
        _code.Compare32(Rdx, Rbp, StubLayout.PublicOffset.Event);
        _code.Jump(Condition.NotEqual, _enter);
        _code.Address(Rdi, Rbx, StubLayout.ControlOffset.Run);
        _code.Move(Rsi, HostCalls.FutexWait);
        _code.Zero(R10);
        _code.Move(Rax, (ulong)HostCall.Futex);
        _code.SystemCall();
        _code.Jump(wait);
        EmitEnter();
    }

    /// <summary>
    /// The interrupted instruction belongs to the handler itself: begins again with what that was called with. Guest code can give it
    /// frames that lead in a circle, so a few times are enough.
    /// </summary>
    private void EmitDeference(Label handler, Label tell, Label told)
    {
        const int most = 4;
        _code.Load64(R8, Rdx, StubFrame.OffsetOfRip);
        _code.Move(R9, _handlerAddress);
        _code.Subtract64(R8, R9);
        _code.MoveDistance(R9, handler, told);
        _code.Compare64Registers(R8, R9);
        _code.Jump(Condition.AboveOrEqual, tell);
        _code.Compare64(Rax, most);
        _code.Jump(Condition.AboveOrEqual, tell);
        _code.Add64(Rax, 1);
        _code.Load64(Rdi, Rdx, StubFrame.OffsetOf(Rdi));
        _code.Load64(Rsi, Rdx, StubFrame.OffsetOf(Rsi));
        _code.Load64(Rdx, Rdx, StubFrame.OffsetOf(Rdx));
        _code.Jump(handler);
    }

    /// <summary>Guest code, with the state in the control page. IRETQ's frame lies there as well.</summary>
    private void EmitEnter()
    {
        _code.Place(_enter);
        _code.Push(SetFlags);
        _code.PopFlags(); // IRETQ faults with RFLAGS.NT, which guest code can set
        _code.Move(Rax, uint.MaxValue); // every component: what the image does not have becomes initial
        _code.Move(Rdx, uint.MaxValue);
        _code.RestoreState(Rbx, StubLayout.ControlOffset.Vectors);
        int[] segments = [Ds, Es, Fs, Gs];
        for (int i = 0; i < segments.Length; i++)
        {
            _code.SetSelector(segments[i], Rbx, StubLayout.ControlOffset.Selectors + (2 * i));
        }

        _code.Load64(Rax, Rbx, StubLayout.ControlOffset.FsBase); // loading selectors has cleared the bases
        _code.WriteBase(Fs, Rax);
        _code.Load64(Rax, Rbx, StubLayout.ControlOffset.GsBase);
        _code.WriteBase(Gs, Rax);
        _code.Address(Rsp, Rbx, StubLayout.ControlOffset.Rip);
        for (int register = 0; register < 16; register++)
        {
            if (register is not (Rbx or Rsp))
            {
                _code.Load64(register, Rbx, StubLayout.ControlOffset.Registers + (8 * register));
            }
        }

        _code.Load64(Rbx, Rbx, StubLayout.ControlOffset.Registers + (8 * Rbx));
        _code.InterruptReturn();
    }

    /// <summary>FUTEX_WAKE of one waiter for the word at RDI.</summary>
    private void Wake()
    {
        _code.Move(Rsi, HostCalls.FutexWake);
        _code.Move(Rdx, 1);
        _code.Move(Rax, (ulong)HostCall.Futex);
        _code.SystemCall();
    }

    private void Call(HostCall call, Failure failure, params ReadOnlySpan<ulong> arguments)
    {
        ReadOnlySpan<int> registers = [Rdi, Rsi, Rdx, R10, R8, R9];
        for (int i = 0; i < registers.Length; i++)
        {
            _code.Move(registers[i], i < arguments.Length ? arguments[i] : 0);
        }

        _code.Move(Rax, (ulong)call);
        _code.SystemCall();
        DemandSuccess(failure);
    }

    private void DemandSuccess(Failure failure)
    {
        Label success = new();
        _code.Compare64(Rax, LastError);
        _code.Jump(Condition.Below, success);
        Exit(failure);
        _code.Place(success);
    }

    private void Exit(Failure failure)
    {
        _code.Move(Rdi, (ulong)failure);
        _code.Move(Rax, (ulong)HostCall.ExitGroup);
        _code.SystemCall();
    }
}
