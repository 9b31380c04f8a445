using Strata.X86.Translator.Emit;

namespace Strata.X86.Translator.Keeping;

/// <summary>Where blocks leave to, by number.</summary>
internal static unsafe class StubAddresses
{
    /// <summary>The address; null for a number that is none.</summary>
    public static byte* Of(Stubs stubs, KeptStub stub) => stub switch
    {
        KeptStub.Exit => stubs.Exit,
        KeptStub.Miss => stubs.Miss,
        KeptStub.LoadVectors => stubs.LoadVectors,
        KeptStub.LoadAvx => stubs.LoadAvx,
        KeptStub.LoadX87 => stubs.LoadX87,
        KeptStub.Syscall => stubs.Gates.Syscall,
        KeptStub.Sysret => stubs.Gates.Sysret,
        KeptStub.Dispatch => stubs.Dispatch,
        KeptStub.Cross => stubs.Cross,
        _ => null,
    };

    public static KeptStub? Find(Stubs stubs, byte* address)
    {
        for (KeptStub stub = KeptStub.Exit; stub <= KeptStub.Cross; stub++)
        {
            // SAFETY: addresses are compared only.
            if (Of(stubs, stub) == address)
            {
                return stub;
            }
        }

        return null;
    }
}
