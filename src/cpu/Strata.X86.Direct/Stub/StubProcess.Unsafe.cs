using System.Globalization;
using System.Runtime.InteropServices;
using Strata.Core.Posix;

namespace Strata.X86.Direct.Stub;

/// <summary>How a run of guest code in a stub has ended.</summary>
internal enum StubStop
{
    /// <summary>Guest code was not entered: somebody wanted attention first.</summary>
    NotEntered,

    /// <summary>Guest code was not entered: the host refused to map something, and the process has ended. The state is whole.</summary>
    Refused,

    /// <summary>An event; the frame says which.</summary>
    Event,

    /// <summary>The process is gone, or was ended because it did not keep to its part. The guest's registers are lost.</summary>
    Lost,
}

/// <summary>Rights to a page in a stub.</summary>
[Flags]
internal enum PageRights
{
    None = 0,
    Read = HostCalls.ProtectRead,
    Write = HostCalls.ProtectWrite,
    Execute = HostCalls.ProtectExecute,
}

/// <summary>
/// A process without privilege that guest user code runs in: one address space of one vCPU. On the vCPU's thread, except for
/// <see cref="Interrupt"/>.
/// <para>Between two runs no guest instruction executes: the host's kernel has said that the runner sleeps at the monitor's word, and
/// what wakes it leads into the stub's code (<see cref="StubCode"/>).</para>
/// </summary>
internal sealed unsafe class StubProcess : IDisposable
{
    private const int Outside = 0;
    private const int Inside = 1;
    private const int Interrupted = 2;

    /// <summary>Waits are looked at this often, for a process that has ended: 50 ms.</summary>
    private const long CheckNanoseconds = 50_000_000;

    /// <summary>How often the monitor lets others run before it sleeps for a millisecond, and how often it does that.</summary>
    private const int Yields = 50;
    private const int Naps = 10_000;

    private readonly Lock _reaping = new(); // until it is reaped the process's number is its own; nothing is taken under it
    private readonly byte* _control;
    private readonly byte* _public;
    private readonly int _process;
    private readonly Patience _patience = new();
    private int _runner;
    private uint _run = 1;
    private uint _batch;
    private int _commands;
    private bool _isMapperAwake; // it was told to wake the runner, and has not been seen asleep since
    private int _place;
    private volatile bool _isGone;
    private int _status;

    /// <param name="memory">The shared file, mapped; released by <see cref="Dispose"/> once <see cref="WaitUntilReady"/> has
    /// returned.</param>
    public StubProcess(int process, byte* memory)
    {
        _process = process;
        _control = memory;
        _public = memory + StubLayout.ControlSize;
    }

    /// <summary>Host process, for tools and tests.</summary>
    public int ProcessId => _process;

    /// <summary>Host CPU time so far, in ns; 0 if it is gone.</summary>
    public long CpuTime => HostCalls.CpuTimeOf(_process);

    /// <summary>State that the next run begins with.</summary>
    public StubEntry Entry => new(_control);

    /// <summary>Commands that have been given and not carried out.</summary>
    public bool HasCommands => _commands > 0;

    /// <exception cref="DirectUnavailableException">The stub has ended at its start.</exception>
    public void WaitUntilReady()
    {
        if (WaitForEvent() && WaitUntilParked() && StubFrame.TryRead(_public, out _, out _))
        {
            _runner = *(int*)(_public + StubLayout.PublicOffset.Runner);
            return;
        }

        End();
        bool hasExited = (_status & 0x7F) == 0;
        string cause = hasExited ? StubCode.Explain(_status >> 8)
            : string.Create(CultureInfo.InvariantCulture, $"signal {_status & 0x7F} ended it");
        throw new DirectUnavailableException(
            $"The process for guest programs did not start: {cause}. Use --engine translator.");
    }

    /// <summary>Maps bytes of guest RAM; what was there is replaced. Takes effect before the next run.</summary>
    public void Map(ulong address, ulong length, PageRights rights, ulong ramOffset)
    {
        ulong* last = LastCommand(HostCall.Mmap, address);
        if (last != null && last[3] == (ulong)rights && last[6] + last[2] == ramOffset)
        {
            last[2] += length;
            return;
        }

        Command(
            HostCall.Mmap, address, length, (ulong)rights, HostCalls.MapShared | HostCalls.MapFixed, StubLayout.RamDescriptor, ramOffset);
    }

    /// <summary>Takes pages away.</summary>
    public void Unmap(ulong address, ulong length)
    {
        ulong* last = LastCommand(HostCall.Munmap, address);
        if (last != null)
        {
            last[2] += length;
            return;
        }

        Command(HostCall.Munmap, address, length);
    }

    /// <summary>Changes the rights to pages, all of which are mapped.</summary>
    public void Protect(ulong address, ulong length, PageRights rights)
    {
        ulong* last = LastCommand(HostCall.Mprotect, address);
        if (last != null && last[3] == (ulong)rights)
        {
            last[2] += length;
            return;
        }

        Command(HostCall.Mprotect, address, length, (ulong)rights);
    }

    /// <summary>Takes every guest page away.</summary>
    public void UnmapAll()
    {
        Unmap(StubLayout.UserStart, StubLayout.Base - StubLayout.UserStart);
        Unmap(StubLayout.End, StubLayout.UserEnd - StubLayout.End);
    }

    /// <summary>Has the commands carried out.</summary>
    /// <returns>False if the host refused one: the stub has ended then.</returns>
    public bool Flush()
    {
        if (!WaitForMapper())
        {
            return false;
        }

        if (_commands == 0)
        {
            return !_isGone;
        }

        StartBatch(wakesRunner: false);
        return WaitForWord(_public + StubLayout.PublicOffset.BatchDone, _batch)
            && WaitUntilAsleep(StubLayout.ControlOffset.Batch, StubLayout.ControlOffset.ParkedMapper);
    }

    /// <summary>Enters guest code with <see cref="Entry"/>, and waits until something ends the run.</summary>
    /// <param name="attention">Not entered if it is set: who sets it calls <see cref="Interrupt"/> behind that.</param>
    public StubStop Run(ref int attention, out StubFrame frame, out byte* vectors)
    {
        frame = default;
        vectors = null;
        if (_isGone || !WaitForMapper())
        {
            End();
            return StubStop.Refused;
        }

        Interlocked.Exchange(ref _place, Inside);
        if (Volatile.Read(ref attention) != 0)
        {
            Volatile.Write(ref _place, Outside);
            return StubStop.NotEntered;
        }

        Interlocked.Exchange(ref *(uint*)(_control + StubLayout.ControlOffset.Run), ++_run);
        bool hasBatch = _commands != 0;
        if (hasBatch)
        {
            StartBatch(wakesRunner: true); // the runner sleeps until then, or tells of a signal without having entered guest code
        }
        else
        {
            Wake(StubLayout.ControlOffset.ParkedRunner, StubLayout.ControlOffset.Run);
        }

        bool isOver = WaitForEvent();
        Interlocked.Exchange(ref _place, Outside);
        if (isOver && WaitUntilParked() && StubFrame.TryRead(_public, out frame, out vectors))
        {
            return StubStop.Event;
        }

        End();
        return hasBatch && (_status & 0x7F) == 0 && StubCode.IsRefusal(_status >> 8) ? StubStop.Refused : StubStop.Lost;
    }

    private void StartBatch(bool wakesRunner)
    {
        *(int*)(_control + StubLayout.ControlOffset.CommandCount) = _commands;
        *(int*)(_control + StubLayout.ControlOffset.WakesRunner) = wakesRunner ? 1 : 0;
        (_commands, _isMapperAwake) = (0, wakesRunner);
        Interlocked.Exchange(ref *(uint*)(_control + StubLayout.ControlOffset.Batch), ++_batch);
        Wake(StubLayout.ControlOffset.ParkedMapper, StubLayout.ControlOffset.Batch);
    }

    /// <summary>
    /// Before another batch or run: the last batch has been carried out, and wakes nobody any more. If a signal has ended the run before
    /// that, the runner was woken once more and is on its way back to sleep: it would run at once if it saw another number there.
    /// </summary>
    /// <returns>False if the process has ended, or is to.</returns>
    private bool WaitForMapper()
    {
        if (!_isMapperAwake)
        {
            return true;
        }

        if (!WaitUntilAsleep(StubLayout.ControlOffset.Batch, StubLayout.ControlOffset.ParkedMapper))
        {
            return false;
        }

        _ = HostCalls.Move(_control + StubLayout.ControlOffset.ParkedRunner, _control + StubLayout.ControlOffset.Run);
        _isMapperAwake = !WaitUntilParked();
        return !_isMapperAwake;
    }

    /// <summary>Ends a run soon. Any thread.</summary>
    public void Interrupt()
    {
        if (Interlocked.CompareExchange(ref _place, Interrupted, Inside) == Inside)
        {
            Signal();
        }
    }

    public void Dispose()
    {
        End();
        HostMapping.Release((nint)_control, StubLayout.FileSize);
    }

    /// <summary>The command that was given last, if it is of a kind and ends where another one begins: it can be made longer.</summary>
    /// <returns>Number of the call and its arguments; null if there is none.</returns>
    private ulong* LastCommand(HostCall call, ulong end)
    {
        ulong* last = (ulong*)(_control + StubLayout.ControlOffset.Commands + ((_commands - 1) * StubLayout.ControlOffset.CommandSize));
        return _commands > 0 && last[0] == (ulong)call && last[1] + last[2] == end ? last : null;
    }

    private void Command(HostCall call, params ReadOnlySpan<ulong> arguments)
    {
        if (_commands == StubLayout.ControlOffset.MostCommands)
        {
            _ = Flush(); // a stub that has ended is noticed by its next run
        }

        if (!WaitForMapper())
        {
            return; // the same
        }

        // SAFETY: there is room for MostCommands, of seven quadwords each.
        ulong* at = (ulong*)(_control + StubLayout.ControlOffset.Commands + (_commands * StubLayout.ControlOffset.CommandSize));
        at[0] = (ulong)call;
        for (int i = 0; i < 6; i++)
        {
            at[i + 1] = i < arguments.Length ? arguments[i] : 0;
        }

        _commands++;
    }

    /// <summary>Wakes a thread that sleeps where the monitor has moved it to, or where it went to sleep.</summary>
    private void Wake(int parked, int word)
    {
        if (HostCalls.WakeOne(_control + parked) == 0)
        {
            _ = HostCalls.WakeOne(_control + word);
        }
    }

    /// <summary>
    /// Most events come soon: to wait for them awake spares the host two switches, where another of its processors is free. Where none
    /// came in time, the next ones are slept for.
    /// </summary>
    private bool WaitForEvent()
    {
        byte* word = _public + StubLayout.PublicOffset.Event;
        if (_patience.MayWaitAwake())
        {
            bool came = Patience.Wait((uint*)word, _run);
            _patience.Note(came);
            if (came)
            {
                return true;
            }
        }

        Interlocked.Exchange(ref *(uint*)(_control + StubLayout.ControlOffset.Sleeps), 1);
        bool isOver = WaitForWord(word, _run);
        Volatile.Write(ref *(uint*)(_control + StubLayout.ControlOffset.Sleeps), 0);
        return isOver;
    }

    /// <returns>False if the process has ended.</returns>
    private bool WaitForWord(byte* word, uint value)
    {
        HostCalls.TimeSpecification limit = new() { Nanoseconds = CheckNanoseconds };
        while (!_isGone)
        {
            uint seen = Volatile.Read(ref *(uint*)word);
            if (seen == value)
            {
                return true;
            }

            if (HostCalls.WaitWhile(word, seen, &limit) != 0)
            {
                LookWhetherGone();
            }
        }

        return false;
    }

    /// <summary>
    /// A run that is over by what the public page says may go on where guest code wrote there: a signal then finds it over, and parks it.
    /// </summary>
    private bool WaitUntilParked() => WaitUntilAsleep(StubLayout.ControlOffset.Run, StubLayout.ControlOffset.ParkedRunner, signals: true);

    /// <summary>
    /// Waits until the kernel says that a thread sleeps at a word of the control page: what it wrote to memory that guest code can write
    /// proves nothing.
    /// </summary>
    /// <returns>False if it does not come to sleep.</returns>
    private bool WaitUntilAsleep(int word, int parked, bool signals = false)
    {
        HostCalls.TimeSpecification nap = new() { Nanoseconds = 1_000_000 };
        uint* unused = stackalloc uint[1];
        for (int i = 0; i < Yields + Naps && !_isGone; i++)
        {
            if (HostCalls.Move(_control + word, _control + parked) == 1)
            {
                return true;
            }

            if (i < Yields)
            {
                _ = HostCalls.Yield();
            }
            else
            {
                if (signals && _runner != 0)
                {
                    Signal();
                }

                *unused = 0;
                _ = HostCalls.WaitWhile(unused, 0, &nap);
                LookWhetherGone();
            }
        }

        return false;
    }

    private void Signal()
    {
        lock (_reaping)
        {
            if (!_isGone)
            {
                _ = HostCalls.SignalThread(_process, _runner, StubCode.KickSignal);
            }
        }
    }

    private void LookWhetherGone()
    {
        lock (_reaping)
        {
            int status;
            if (!_isGone && HostCalls.WaitProcess(_process, &status, HostCalls.NoHang) != 0)
            {
                (_isGone, _status) = (true, status);
            }
        }
    }

    private void End()
    {
        LookWhetherGone();
        lock (_reaping)
        {
            if (_isGone)
            {
                return;
            }

            int status = 0;
            _ = HostCalls.Kill(_process, HostCalls.KillSignal);
            while (HostCalls.WaitProcess(_process, &status, 0) == -1 && Marshal.GetLastPInvokeError() == HostCalls.Interrupted)
            {
                // a signal of the runtime's
            }

            (_isGone, _status) = (true, status);
        }
    }
}
