using System.Runtime.CompilerServices;
using Strata.X86.Registers;

namespace Strata.X86.Comparison;

/// <summary>A value of at most eight bytes within <see cref="X86CpuState"/>.</summary>
/// <param name="Offset">In bytes, from the start of the state.</param>
/// <param name="Size">In bytes.</param>
internal readonly record struct StateField(string Name, int Offset, int Size);

/// <summary>
/// The fields of <see cref="X86CpuState"/>, in its order. They are written out because native code has no reflection over nested types; a
/// test sees that every byte of the state is in one of them.
/// </summary>
internal sealed unsafe class StateFields
{
    private readonly List<StateField> _fields = [];
    private readonly X86CpuState* _state;

    private StateFields(X86CpuState* state) => _state = state;

    public static IReadOnlyList<StateField> Create()
    {
        // SAFETY: the pointer is to a local and is not used after this call; only addresses are taken.
        X86CpuState state = default;
        StateFields fields = new(&state);
        fields.AddRegisters(&state);
        fields.AddModelSpecificRegisters(&state);
        fields.AddVectorsAndFpu(&state);
        return fields._fields;
    }

    private void AddRegisters(X86CpuState* state)
    {
        // SAFETY: addresses of fields of the caller's local.
        AddBuffer(state->Gprs, 17, index => index < Gpr.None ? (Iced.Intel.Register.RAX + index).ToString() : "(zero)");
        Add(&state->Rip);
        Add(&state->Rflags);
        AddSegment(&state->Es);
        AddSegment(&state->Cs);
        AddSegment(&state->Ss);
        AddSegment(&state->Ds);
        AddSegment(&state->Fs);
        AddSegment(&state->Gs);
        AddSegment(&state->Ldtr);
        AddSegment(&state->Tr);
        AddTable(&state->Gdtr);
        AddTable(&state->Idtr);
        Add(&state->Cr0);
        Add(&state->Cr2);
        Add(&state->Cr3);
        Add(&state->Cr4);
        Add(&state->Xcr0);
        Add(&state->EferMsr);
        AddBuffer(state->Pdptes, 4, index => $"Pdptes[{index}]");
        AddBuffer(state->DebugAddresses, 4, index => $"Dr{index}");
        Add(&state->Dr6);
        Add(&state->Dr7);
    }

    private void AddModelSpecificRegisters(X86CpuState* state)
    {
        // SAFETY: addresses of fields of the caller's local.
        Add(&state->Star);
        Add(&state->Lstar);
        Add(&state->Cstar);
        Add(&state->Sfmask);
        Add(&state->KernelGsBase);
        Add(&state->SysenterCs);
        Add(&state->SysenterEsp);
        Add(&state->SysenterEip);
        Add(&state->Pat);
        Add(&state->TscAux);
        Add(&state->TscOffset);
        Add(&state->TscAdjust);
        Add(&state->MiscEnable);
        Add(&state->SpecCtrl);
        Add(&state->MtrrDefaultType);
        AddBuffer(state->MtrrFixed, 11, index => $"MtrrFixed[{index}]");
        AddBuffer(state->MtrrVariable, 16, index => $"MtrrVariable[{index}]");
    }

    private void AddVectorsAndFpu(X86CpuState* state)
    {
        // SAFETY: addresses of fields of the caller's local.
        AddBuffer(state->Vectors, 16 * 4, index => $"YMM{index / 4}[{index % 4}]");
        Add(&state->Mxcsr);
        Add(&state->Fcw);
        Add(&state->Fsw);
        Add(&state->Ftw);
        Add(&state->Fop);
        Add(&state->FpuCs);
        Add(&state->FpuDs);
        Add(&state->FpuIp);
        Add(&state->FpuDp);
        AddBuffer(state->FpuRegisters, 16, index => index % 2 == 0 ? $"R{index / 2} significand" : $"R{index / 2} exponent");
        Add(&state->Activity);
        Add(&state->Shadow);
        Add(&state->NmiBlocked);
        Add(&state->NmiPending);
    }

    private void AddSegment(SegmentState* segment, [CallerArgumentExpression(nameof(segment))] string expression = "")
    {
        // SAFETY: addresses of fields of the caller's local.
        Add(&segment->Base, $"{expression}.{nameof(SegmentState.Base)}");
        Add(&segment->Limit, $"{expression}.{nameof(SegmentState.Limit)}");
        Add(&segment->Attributes, $"{expression}.{nameof(SegmentState.Attributes)}");
        Add(&segment->Selector, $"{expression}.{nameof(SegmentState.Selector)}");
    }

    private void AddTable(DescriptorTableRegister* table, [CallerArgumentExpression(nameof(table))] string expression = "")
    {
        // SAFETY: addresses of fields of the caller's local.
        Add(&table->Base, $"{expression}.{nameof(DescriptorTableRegister.Base)}");
        Add(&table->Limit, $"{expression}.{nameof(DescriptorTableRegister.Limit)}");
    }

    private void AddBuffer(ulong* buffer, int count, Func<int, string> name)
    {
        for (int i = 0; i < count; i++)
        {
            // SAFETY: the callers' counts are those of the buffers; only the address is taken.
            Add(buffer + i, name(i));
        }
    }

    /// <param name="expression">The field as written, `&amp;state->Rip`, or its name.</param>
    private void Add<T>(T* field, [CallerArgumentExpression(nameof(field))] string expression = "")
        where T : unmanaged
    {
        // SAFETY: both addresses are within one local; nothing is read.
        int offset = (int)((byte*)field - (byte*)_state);
        _fields.Add(new StateField(expression[(expression.IndexOf('>', StringComparison.Ordinal) + 1)..], offset, sizeof(T)));
    }
}
