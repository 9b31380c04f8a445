using Iced.Intel;
using Strata.X86.Cpuid;

namespace Strata.X86.Translator.Blocks;

/// <summary>How an instruction is translated.</summary>
internal enum Handling : byte
{
    /// <summary>The interpreter executes it.</summary>
    Interpret,

    /// <summary>Re-encoded with mapped registers.</summary>
    Native,

    /// <summary>Has no effect that a guest could see.</summary>
    Nothing,
    Lea,

    /// <summary>Changes or reads RFLAGS beyond the arithmetic flags, exchanges GS bases, or reads the time.</summary>
    System,

    /// <summary>MOVS, STOS, LODS, SCAS and CMPS, with REP only the first two.</summary>
    String,
    Push,
    Pop,
    Leave,
    Divide,
    Jump,
    JumpIf,
    Call,
    Return,

    /// <summary>A far branch, INT or IRET, of real mode.</summary>
    Far,
}

/// <summary>What kind of register an encoding field names, where it is a general-purpose one.</summary>
internal enum FieldWidth : byte
{
    /// <summary>Not a general-purpose register.</summary>
    None,
    Byte,

    /// <summary>16, 32 or 64 bits: the number is used as it is.</summary>
    Wide,
}

/// <summary>What all instructions of one Iced <see cref="Code"/> have in common. Computed once per code and process.</summary>
internal readonly record struct InstructionTraits
{
    public required Handling Handling { get; init; }

    /// <summary>General-purpose registers by encoding field.</summary>
    public FieldWidth Reg { get; init; }

    public FieldWidth Rm { get; init; }

    public FieldWidth Opcode { get; init; }

    public FieldWidth Vvvv { get; init; }

    /// <summary>Fields whose register is written.</summary>
    public bool WritesReg { get; init; }

    public bool WritesRm { get; init; }

    public bool WritesOpcode { get; init; }

    public bool WritesVvvv { get; init; }

    /// <summary>Fields whose register gets a new value of 64 bits that does not depend on the old one.</summary>
    public bool ReplacesReg { get; init; }

    public bool ReplacesRm { get; init; }

    public bool ReplacesOpcode { get; init; }

    public bool ReplacesVvvv { get; init; }

    /// <summary>The register in ModRM.rm may as well be memory that holds it.</summary>
    public bool RmMayBeMemory { get; init; }

    public bool WritesMemory { get; init; }

    /// <summary>The traits of <see cref="GuestEncoding.Exchanged"/>, where the first operand is in ModRM.rm.</summary>
    public InstructionTraits Exchanged() => this with
    {
        Reg = Rm,
        Rm = Reg,
        WritesReg = WritesRm,
        WritesRm = WritesReg,
        ReplacesReg = ReplacesRm,
        ReplacesRm = ReplacesReg,
        RmMayBeMemory = true,
    };

    /// <summary>A memory operand of 16 or 32 bytes must be aligned.</summary>
    public bool IsAligned { get; init; }

    /// <summary>Legacy SSE, MMX with XMM registers, and what uses MXCSR.</summary>
    public bool UsesVectors { get; init; }

    /// <summary>VEX encodings of vectors: they want XCR0 to have AVX.</summary>
    public bool UsesAvx { get; init; }

    /// <summary>May write more of a vector register than its lower half.</summary>
    public bool WritesUppers { get; init; }

    public bool UsesX87 { get; init; }

    /// <summary>BT and its kin with a register index into memory: the bit may lie far outside the operand.</summary>
    public bool IsBitString { get; init; }
}

/// <summary>
/// The table of traits: one entry for an encoding's register form, one for its memory form. Each is a fact, so that sharing it
/// between threads is harmless.
/// </summary>
internal static class InstructionTraitsTable
{
    private static readonly InstructionTraits?[] Known = new InstructionTraits?[2 * IcedConstants.CodeEnumCount];

    public static InstructionTraits Of(in Instruction instruction)
    {
        int entry = (2 * (int)instruction.Code) + (HasMemory(instruction) ? 1 : 0);
        return Known[entry] ?? (Known[entry] = Compute(instruction)).Value;
    }

    private static bool HasMemory(in Instruction instruction)
    {
        for (int i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) == OpKind.Memory)
            {
                return true;
            }
        }

        return false;
    }

    private static InstructionTraits Compute(in Instruction instruction)
    {
        OpCodeInfo info = instruction.OpCode;
        Handling handling = Choose(instruction, info);
        InstructionInfo access = new InstructionInfoFactory().GetInfo(WithDistinctRegisters(instruction));
        InstructionTraits traits = new()
        {
            Handling = handling,
            UsesVectors = info.Encoding != EncodingKind.VEX && IsVector(instruction),
            UsesAvx = info.Encoding == EncodingKind.VEX && IsVector(instruction),
            WritesUppers = instruction.Op0Kind == OpKind.Register && instruction.Op0Register.IsYMM(),
            UsesX87 = IsX87(instruction),
            IsAligned = NeedsAlignment(instruction),
            IsBitString = IsBitTest(instruction) && instruction.Op0Kind == OpKind.Memory && instruction.Op1Kind == OpKind.Register,
        };
        for (int i = 0; i < info.OpCount; i++)
        {
            bool writes = access.GetOpAccess(i) is OpAccess.Write or OpAccess.ReadWrite or OpAccess.CondWrite or OpAccess.ReadCondWrite;
            bool replaces = access.GetOpAccess(i) == OpAccess.Write && !IsConditionalWrite(instruction.Mnemonic)
                && instruction.GetOpKind(i) == OpKind.Register && instruction.GetOpRegister(i).GetSize() >= 4;
            traits = AddOperand(traits, info.GetOpKind(i).ToString(), writes, replaces);
        }

        traits = traits with { RmMayBeMemory = MayReadRegisterFromMemory(instruction, info, access) };

        // 40..4F, which become FF /0 and /1: see GuestEncoding.
        return instruction.Code is Code.Inc_r32 or Code.Inc_r16 or Code.Dec_r32 or Code.Dec_r16
            ? traits with { Opcode = FieldWidth.None, WritesOpcode = false, Rm = FieldWidth.Wide, WritesRm = true }
            : traits;
    }

    /// <summary>Iced knows that XOR of a register with itself reads nothing; the table is about the code, not this instruction.</summary>
    private static Instruction WithDistinctRegisters(Instruction instruction)
    {
        if (instruction.Op0Kind == OpKind.Register
            && instruction.Op1Kind == OpKind.Register
            && instruction.Op0Register == instruction.Op1Register)
        {
            Register register = instruction.Op1Register;
            instruction.Op1Register = register.GetBaseRegister() + (register.GetNumber() ^ 1);
        }

        return instruction;
    }

    /// <summary>BSF and BSR leave their destination alone if the source is zero.</summary>
    private static bool IsConditionalWrite(Mnemonic mnemonic) => mnemonic is Mnemonic.Bsf or Mnemonic.Bsr;

    /// <summary>
    /// Whether an instruction in its register form does the same with the register's place in memory: not where it would clear the
    /// register's upper half, where a bit index would leave the place, and where memory would be locked.
    /// </summary>
    private static bool MayReadRegisterFromMemory(in Instruction instruction, OpCodeInfo info, in InstructionInfo access)
    {
        if (HasMemory(instruction)
            || instruction.Mnemonic == Mnemonic.Xchg
            || (IsBitTest(instruction) && instruction.Op1Kind == OpKind.Register))
        {
            return false;
        }

        for (int i = 0; i < info.OpCount; i++)
        {
            string kind = info.GetOpKind(i).ToString();
            if (kind is "r8_or_mem" or "r16_or_mem" or "r32_or_mem" or "r64_or_mem")
            {
                // EXTRACTPS and its kin write a register whole, and less to memory.
                bool isWhole = info.MemorySize.GetSize() == instruction.GetOpRegister(i).GetSize();
                return access.GetOpAccess(i) == OpAccess.Read || (kind != "r32_or_mem" && isWhole);
            }
        }

        return false;
    }

    private static InstructionTraits AddOperand(InstructionTraits traits, string kind, bool writes, bool replaces)
    {
        bool isMemory = kind.Contains("mem", StringComparison.Ordinal);
        if (isMemory && writes)
        {
            traits = traits with { WritesMemory = true };
        }

        FieldWidth width = kind.StartsWith("r8", StringComparison.Ordinal) ? FieldWidth.Byte
            : kind[0] == 'r' && char.IsDigit(kind[1]) ? FieldWidth.Wide
            : FieldWidth.None;
        if (width == FieldWidth.None)
        {
            return traits;
        }

        if (kind.EndsWith("_opcode", StringComparison.Ordinal))
        {
            return traits with { Opcode = width, WritesOpcode = writes, ReplacesOpcode = replaces };
        }

        if (kind.EndsWith("_vvvv", StringComparison.Ordinal))
        {
            return traits with { Vvvv = width, WritesVvvv = writes, ReplacesVvvv = replaces };
        }

        return kind.Contains("_reg", StringComparison.Ordinal)
            ? traits with { Reg = width, WritesReg = writes, ReplacesReg = replaces }
            : traits with { Rm = width, WritesRm = writes, ReplacesRm = replaces };
    }

    private static bool IsBitTest(in Instruction instruction) =>
        instruction.Mnemonic is Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc;

    private static bool IsVector(in Instruction instruction)
    {
        for (int i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) == OpKind.Register && instruction.GetOpRegister(i).IsVectorRegister())
            {
                return true;
            }
        }

        // Those without a vector register that use MXCSR, or all registers.
        return instruction.Mnemonic is Mnemonic.Stmxcsr
            or Mnemonic.Vstmxcsr
            or Mnemonic.Vzeroupper
            or Mnemonic.Vzeroall
            or Mnemonic.Cvtps2pi
            or Mnemonic.Cvttps2pi
            or Mnemonic.Cvtpd2pi
            or Mnemonic.Cvttpd2pi;
    }

    private static bool IsX87(in Instruction instruction)
    {
        if (instruction.CpuidFeatures is [CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387 or CpuidFeature.SSE3, ..]
            && instruction.Mnemonic.ToString()[0] == 'F')
        {
            return true;
        }

        for (int i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) == OpKind.Register && instruction.GetOpRegister(i).IsMM())
            {
                return true;
            }
        }

        return instruction.Mnemonic is Mnemonic.Emms or Mnemonic.Wait;
    }

    private static bool NeedsAlignment(in Instruction instruction) => instruction.OpCode.Encoding == EncodingKind.VEX
        ? instruction.Mnemonic is Mnemonic.Vmovaps or Mnemonic.Vmovapd or Mnemonic.Vmovdqa
            or Mnemonic.Vmovntps or Mnemonic.Vmovntpd or Mnemonic.Vmovntdq or Mnemonic.Vmovntdqa
        : instruction.MemorySize.GetSize() == 16
            && instruction.Mnemonic is not (Mnemonic.Movups or Mnemonic.Movupd or Mnemonic.Movdqu or Mnemonic.Lddqu
            or Mnemonic.Pcmpestri or Mnemonic.Pcmpestrm or Mnemonic.Pcmpistri or Mnemonic.Pcmpistrm);

    private static Handling Choose(in Instruction instruction, OpCodeInfo info)
    {
        if (instruction.Mnemonic is Mnemonic.Rdtsc or Mnemonic.Rdtscp)
        {
            return Handling.System; // whether the host has them does not matter: the engine executes them
        }

        if (instruction.IsInvalid || info.Encoding is not (EncodingKind.Legacy or EncodingKind.VEX) || !HostHas(instruction))
        {
            return Handling.Interpret;
        }

        switch (instruction.Mnemonic)
        {
            case Mnemonic.Mov when instruction.Code is Code.Mov_rm16_Sreg or Code.Mov_r32m16_Sreg or Code.Mov_r64m16_Sreg
                or Code.Mov_Sreg_rm16 or Code.Mov_Sreg_r32m16:
                return Handling.System;
            case Mnemonic.Push when instruction.Code is Code.Pushd_ES
                or Code.Pushd_CS
                or Code.Pushd_SS
                or Code.Pushd_DS
                or Code.Pushd_FS
                or Code.Pushd_GS
                or Code.Pushq_FS or Code.Pushq_GS:
                return Handling.System;
            case Mnemonic.Pop when instruction.Code is Code.Popd_ES or Code.Popd_DS or Code.Popd_FS or Code.Popd_GS:
                return Handling.System;
            case Mnemonic.Popfd or Mnemonic.Popfq:
                return Handling.System;
            case Mnemonic.Rdfsbase or Mnemonic.Rdgsbase or Mnemonic.Wrfsbase or Mnemonic.Wrgsbase:
                return Handling.System;
            case Mnemonic.Lea:
                return Handling.Lea;
            case Mnemonic.Push:
                return instruction.Code is Code.Push_r64 or Code.Pushq_imm8 or Code.Pushq_imm32 or Code.Push_rm64
                    or Code.Push_r32 or Code.Pushd_imm8 or Code.Pushd_imm32 or Code.Push_rm32 ? Handling.Push : Handling.Interpret;
            case Mnemonic.Pop:
                return instruction.Code is Code.Pop_r64 or Code.Pop_r32 ? Handling.Pop : Handling.Interpret;
            case Mnemonic.Cli
                or Mnemonic.Sti
                or Mnemonic.Cld
                or Mnemonic.Pushfq
                or Mnemonic.Pushfd
                or Mnemonic.Swapgs
                or Mnemonic.Stac
                or Mnemonic.Clac:
                return Handling.System;
            case Mnemonic.Leave:
                return instruction.Code is Code.Leaveq or Code.Leaved ? Handling.Leave : Handling.Interpret;
            case Mnemonic.Div or Mnemonic.Idiv:
                return instruction.Code is Code.Div_rm32 or Code.Div_rm64 or Code.Idiv_rm32 or Code.Idiv_rm64
                    ? Handling.Divide
                    : Handling.Interpret;
            case Mnemonic.Jmp:
                return instruction.Code is Code.Jmp_rel8_64 or Code.Jmp_rel32_64 or Code.Jmp_rm64
                    or Code.Jmp_rel8_32 or Code.Jmp_rel32_32 or Code.Jmp_rm32 ? Handling.Jump : Handling.Interpret;
            case Mnemonic.Call:
                return instruction.Code is Code.Call_rel32_64 or Code.Call_rm64 or Code.Call_rel32_32 or Code.Call_rm32
                    ? Handling.Call
                    : Handling.Interpret;
            case Mnemonic.Ret:
                return instruction.Code is Code.Retnq or Code.Retnq_imm16 or Code.Retnd or Code.Retnd_imm16
                    ? Handling.Return
                    : Handling.Interpret;
            case Mnemonic.Nop or Mnemonic.Endbr64 or Mnemonic.Endbr32 or Mnemonic.Prefetcht0 or Mnemonic.Prefetcht1
                or Mnemonic.Prefetcht2
                    or Mnemonic.Prefetchnta
                    or Mnemonic.Prefetchw
                    or Mnemonic.Reservednop
                    or Mnemonic.Rdsspd
                    or Mnemonic.Rdsspq:
                return Handling.Nothing;
        }

        if (IsString(instruction.Code))
        {
            return Handling.String;
        }

        if (instruction.Code == Code.Jrcxz_rel8_64)
        {
            return Handling.JumpIf;
        }

        if (instruction.IsJccShortOrNear)
        {
            return info.OperandSize is 64 or 32 ? Handling.JumpIf : Handling.Interpret; // 16 bits cut EIP
        }

        return IsNative(instruction) ? Handling.Native : Handling.Interpret;
    }

    private static bool IsString(Code code) => code is Code.Stosb_m8_AL or Code.Stosw_m16_AX or Code.Stosd_m32_EAX or Code.Stosq_m64_RAX
        or Code.Movsb_m8_m8 or Code.Movsw_m16_m16 or Code.Movsd_m32_m32 or Code.Movsq_m64_m64
        or Code.Lodsb_AL_m8 or Code.Lodsw_AX_m16 or Code.Lodsd_EAX_m32 or Code.Lodsq_RAX_m64
        or Code.Scasb_AL_m8 or Code.Scasw_AX_m16 or Code.Scasd_EAX_m32 or Code.Scasq_RAX_m64
        or Code.Cmpsb_m8_m8 or Code.Cmpsw_m16_m16 or Code.Cmpsd_m32_m32 or Code.Cmpsq_m64_m64;

    private static bool IsNative(in Instruction instruction)
    {
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Mov:
                return !UsesSystemRegister(instruction);
            case Mnemonic.Movzx or Mnemonic.Movsx or Mnemonic.Movsxd or Mnemonic.Add or Mnemonic.Adc or Mnemonic.Sub or Mnemonic.Sbb
                or Mnemonic.And or Mnemonic.Or or Mnemonic.Xor or Mnemonic.Cmp or Mnemonic.Test or Mnemonic.Inc or Mnemonic.Dec
                or Mnemonic.Neg or Mnemonic.Not or Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Rol
                or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr or Mnemonic.Shld or Mnemonic.Shrd or Mnemonic.Mul or Mnemonic.Imul
                or Mnemonic.Bt
                    or Mnemonic.Bts
                    or Mnemonic.Btr
                    or Mnemonic.Btc
                    or Mnemonic.Bsf
                    or Mnemonic.Bsr
                    or Mnemonic.Tzcnt
                    or Mnemonic.Lzcnt
                    or Mnemonic.Popcnt
                    or Mnemonic.Bswap
                or Mnemonic.Xchg or Mnemonic.Xadd or Mnemonic.Cmpxchg or Mnemonic.Cmpxchg8b or Mnemonic.Cmpxchg16b
                or Mnemonic.Cbw or Mnemonic.Cwde or Mnemonic.Cdqe or Mnemonic.Cwd or Mnemonic.Cdq or Mnemonic.Cqo
                or Mnemonic.Lahf or Mnemonic.Sahf or Mnemonic.Clc or Mnemonic.Stc or Mnemonic.Cmc or Mnemonic.Pause
                or Mnemonic.Lfence or Mnemonic.Mfence or Mnemonic.Sfence or Mnemonic.Movbe or Mnemonic.Crc32 or Mnemonic.Movnti
                or Mnemonic.Andn or Mnemonic.Bextr or Mnemonic.Blsi or Mnemonic.Blsmsk or Mnemonic.Blsr or Mnemonic.Bzhi
                or Mnemonic.Mulx or Mnemonic.Pdep or Mnemonic.Pext or Mnemonic.Rorx or Mnemonic.Sarx or Mnemonic.Shlx or Mnemonic.Shrx
                or Mnemonic.Adcx or Mnemonic.Adox:
                return true;
            case Mnemonic.Fldcw or Mnemonic.Fldenv or Mnemonic.Frstor or Mnemonic.Fnsave or Mnemonic.Fnstenv or Mnemonic.Fsave
                or Mnemonic.Fstenv or Mnemonic.Maskmovq or Mnemonic.Maskmovdqu:
                return false;
        }

        if (instruction.ConditionCode != ConditionCode.None)
        {
            string name = instruction.Mnemonic.ToString();
            return name.StartsWith("Cmov", StringComparison.Ordinal) || name.StartsWith("Set", StringComparison.Ordinal);
        }

        return instruction.OpCode.Encoding == EncodingKind.VEX
            ? IsVector(instruction) && IsNativeAvx(instruction.Mnemonic)
            : IsVector(instruction) || IsX87(instruction);
    }

    /// <summary>
    /// Masked moves and gathers access only some of their memory, and may fault in their middle; VMASKMOVDQU has its address in RDI.
    /// </summary>
    private static bool IsNativeAvx(Mnemonic mnemonic) => mnemonic is not (Mnemonic.Vldmxcsr or Mnemonic.Vmaskmovdqu
        or Mnemonic.Vmaskmovps or Mnemonic.Vmaskmovpd or Mnemonic.Vpmaskmovd or Mnemonic.Vpmaskmovq
        or Mnemonic.Vgatherdps or Mnemonic.Vgatherdpd or Mnemonic.Vgatherqps or Mnemonic.Vgatherqpd
        or Mnemonic.Vpgatherdd or Mnemonic.Vpgatherdq or Mnemonic.Vpgatherqd or Mnemonic.Vpgatherqq);

    private static bool UsesSystemRegister(in Instruction instruction)
    {
        for (int i = 0; i < 2; i++)
        {
            if (instruction.GetOpKind(i) == OpKind.Register)
            {
                Register register = instruction.GetOpRegister(i);
                if (register.IsSegmentRegister() || register.IsCR() || register.IsDR() || register.IsTR())
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>MOV with an absolute address: 64 bits of it in 64-bit mode, where it is the interpreter's.</summary>
    public static bool HasAbsoluteAddress(Code code) => code is Code.Mov_AL_moffs8 or Code.Mov_AX_moffs16 or Code.Mov_EAX_moffs32
        or Code.Mov_RAX_moffs64 or Code.Mov_moffs8_AL or Code.Mov_moffs16_AX or Code.Mov_moffs32_EAX or Code.Mov_moffs64_RAX;

    /// <summary>
    /// Whether the host has what the instruction needs. The guest may be offered more than the host has, and use what it is not
    /// offered: what is not known here is the interpreter's.
    /// </summary>
    private static bool HostHas(in Instruction instruction)
    {
        CpuidFeatureSet host = HostCpu.Features;
        foreach (CpuidFeature feature in instruction.CpuidFeatures)
        {
            bool has = feature switch
            {
                CpuidFeature.SSE3 => IsSet(host.Leaf1Ecx, 0),
                CpuidFeature.PCLMULQDQ => IsSet(host.Leaf1Ecx, 1),
                CpuidFeature.SSSE3 => IsSet(host.Leaf1Ecx, 9),
                CpuidFeature.FMA => IsSet(host.Leaf1Ecx, 12),
                CpuidFeature.CMPXCHG16B => IsSet(host.Leaf1Ecx, 13),
                CpuidFeature.SSE4_1 => IsSet(host.Leaf1Ecx, 19),
                CpuidFeature.SSE4_2 => IsSet(host.Leaf1Ecx, 20),
                CpuidFeature.MOVBE => IsSet(host.Leaf1Ecx, 22),
                CpuidFeature.POPCNT => IsSet(host.Leaf1Ecx, 23),
                CpuidFeature.AES => IsSet(host.Leaf1Ecx, 25),
                CpuidFeature.AVX => IsSet(host.Leaf1Ecx, 28),
                CpuidFeature.F16C => IsSet(host.Leaf1Ecx, 29),
                CpuidFeature.BMI1 => IsSet(host.Leaf7Ebx, 3),
                CpuidFeature.AVX2 => IsSet(host.Leaf7Ebx, 5),
                CpuidFeature.BMI2 => HostCpu.HasBmi2,
                CpuidFeature.ADX => IsSet(host.Leaf7Ebx, 19),
                CpuidFeature.SHA => IsSet(host.Leaf7Ebx, 29),
                CpuidFeature.VAES => IsSet(host.Leaf7Ecx, 9),
                CpuidFeature.VPCLMULQDQ => IsSet(host.Leaf7Ecx, 10),
                CpuidFeature.LZCNT => IsSet(host.ExtendedEcx, 5),
                CpuidFeature.INTEL8086 or CpuidFeature.INTEL186 or CpuidFeature.INTEL286 or CpuidFeature.INTEL386 or CpuidFeature.INTEL486
                    or CpuidFeature.X64
                        or CpuidFeature.CMOV
                        or CpuidFeature.CX8
                        or CpuidFeature.FPU
                        or CpuidFeature.FPU287
                        or CpuidFeature.FPU387
                    or CpuidFeature.MMX or CpuidFeature.SSE or CpuidFeature.SSE2 => true, // any x64 processor
                // not executed as such
                CpuidFeature.SMAP
                    or CpuidFeature.PREFETCHW
                    or CpuidFeature.MULTIBYTENOP
                    or CpuidFeature.CET_IBT
                    or CpuidFeature.PAUSE
                    or CpuidFeature.FSGSBASE => true,
                _ => false,
            };
            if (!has)
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsSet(uint word, int bit) => ((word >> bit) & 1) != 0;
}

/// <summary>Number of members of Iced's <see cref="Code"/>.</summary>
internal static class IcedConstants
{
    public static readonly int CodeEnumCount = (int)Enum.GetValues<Code>().Max() + 1;
}
