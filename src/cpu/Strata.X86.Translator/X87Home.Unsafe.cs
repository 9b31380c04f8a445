using Strata.X86.Execution;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator;

/// <summary>
/// Where the guest's x87 registers are while the host's are not in use: in the state, or in the bridge's image, from which translated code
/// loads them. On the vCPU's thread.
/// </summary>
internal sealed unsafe class X87Home(VcpuContext* context, Bridge* bridge)
{
    private const ushort Masks = 0x3F;
    private const ushort ErrorSummary = 0x80;

    /// <summary>The image is what counts; the state's registers are old.</summary>
    public bool IsInImage { get; private set; }

    /// <summary>After translated code: where it has used the registers, they have been saved to the image.</summary>
    public void NoteExit() => IsInImage |= bridge->X87Saved != 0;

    /// <summary>Brings the x87 registers from the image back to the state.</summary>
    public void Sync()
    {
        if (IsInImage)
        {
            IsInImage = false;
            X87Image.Load(ref context->State, bridge->X87Image);
        }
    }

    /// <summary>Makes the x87 registers ready for native use.</summary>
    /// <returns>False if a trap is due or an exception is unmasked: the interpreter's job.</returns>
    public bool TryMoveToImage()
    {
        ref X86CpuState s = ref context->State;
        if (IsInImage || (s.Cr0 & (Cr0.EM | Cr0.TS)) != 0 || (s.Fcw & Masks) != Masks || (s.Fsw & ErrorSummary) != 0)
        {
            return false;
        }

        X87Image.Store(s, bridge->X87Image);
        IsInImage = true;
        bridge->X87Allowed = 1;
        bridge->ResumeVectors = bridge->VectorsSaved;
        bridge->ResumeX87 = 0;
        return true;
    }
}
