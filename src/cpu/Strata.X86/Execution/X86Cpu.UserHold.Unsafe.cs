namespace Strata.X86.Execution;

/// <summary>Holding user code back.</summary>
public sealed unsafe partial class X86Cpu
{
    private volatile UserCodeHold? _userHold;

    /// <summary>
    /// Which user code may run; null for all. Set while the processor stands still; taken back on any thread, with a kick behind it. An
    /// engine looks before it goes on with user code: one that cannot must not be given a processor with a hold.
    /// </summary>
    public UserCodeHold? UserHold
    {
        get => _userHold;
        set => _userHold = value;
    }

    /// <summary>
    /// User code is next and may not run: the processor waits as if it were halted with interrupts enabled, which user code has.
    /// </summary>
    public bool IsUserCodeHeld => _userHold is { } hold && Context->Cpl == 3 && !hold.Admits(Context->State.Cr3);
}
