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

    /// <summary>Ends a run soon. Any thread.</summary>
    void Interrupt();
}
