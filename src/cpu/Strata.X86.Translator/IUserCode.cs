namespace Strata.X86.Translator;

/// <summary>
/// Executes user code in the place of a <see cref="Translator"/>. On the vCPU's thread, except for <see cref="Interrupt"/>.
/// </summary>
public interface IUserCode
{
    /// <summary>Asked before user code is executed, of which the state is complete: whether <see cref="Run"/> is to do so now.</summary>
    bool Takes();

    /// <summary>
    /// Executes user code until something else is due: kernel code, attention, or code that is not taken. At least one instruction, or an
    /// event.
    /// </summary>
    void Run();

    /// <summary>
    /// Whether <see cref="Takes"/> is to be asked at every return to user code of the present address space; where it is not, translated
    /// code goes on to user code by itself. Asked before translated code is entered.
    /// </summary>
    bool IsAskedAlways { get; }

    /// <summary>
    /// Attention is about to be served, as at a timer's interrupt: a moment that tells where time goes. The state is complete.
    /// </summary>
    /// <param name="returns">How often translated code has returned to user code by itself so far.</param>
    void Sample(long returns);

    /// <summary>Ends a run soon. Any thread.</summary>
    void Interrupt();
}
