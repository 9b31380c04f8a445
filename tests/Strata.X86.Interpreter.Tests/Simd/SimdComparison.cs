using Iced.Intel;
using Strata.X86.Comparison;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>
/// Runs one instruction on the interpreter and on the host from the same state, and compares all of it: XMM, x87/MMX with
/// TOP and tags, general registers, flags, MXCSR, memory.
/// </summary>
internal sealed unsafe class SimdComparison(int seed, int memoryCompared = 192) : IDisposable
{
    private const ulong ArithmeticFlags = 0x8D5;
    private const uint OperandExceptions = 7;
    private const uint Overflow = 8;
    private const uint Underflow = 0x10;
    private const uint Inexact = 0x20;
    private readonly GuestProcessor _guest = new();
    private readonly SimdOperands _operands = new(seed);
    private ulong _at = GuestProcessor.Code;

    public Random Random => _operands.Random;

    public List<string> Failures { get; } = [];

    /// <summary>Guest state that the host has by itself, such as CR4.</summary>
    public Action<GuestProcessor>? Adjust { get; init; }

    /// <summary>Compares an instruction on <paramref name="rounds"/> random states; stops at its second difference.</summary>
    public void Run(SimdEncoding encoding, int rounds, Action<HostInstruction>? adjust = null)
    {
        using HostInstruction host = new(encoding.Bytes);
        _guest.Place(_at, encoding.Bytes);
        int before = Failures.Count;
        for (int i = 0; i < rounds && Failures.Count < before + 2; i++)
        {
            Arrange(host);
            adjust?.Invoke(host);
            ToGuest(host);
            string inputs = $"{encoding.Instruction} | {Describe(host, encoding)}";
            _guest.Run();
            host.Run();
            TakeOverNans(host, encoding);
            string difference = Compare(host);
            if (difference.Length != 0)
            {
                Failures.Add($"{inputs}\n    {difference}");
            }
        }

        _at = _at >= GuestProcessor.Code + 0x80000 ? GuestProcessor.Code : _at + 32;
    }

    /// <summary>
    /// Compares under random exception masks. The host runs with all masked and tells by its flags what the instruction
    /// raises: operand exceptions of any element come before all others. An unmasked underflow, which differs from a masked
    /// one, stays masked.
    /// </summary>
    public void RunUnmasked(SimdEncoding encoding, int rounds)
    {
        using HostInstruction host = new(encoding.Bytes);
        _guest.Place(_at, encoding.Bytes);
        int before = Failures.Count;
        for (int i = 0; i < rounds && Failures.Count < before + 2; i++)
        {
            Arrange(host);
            host.Mxcsr &= ~0x3Fu;
            ToGuest(host);
            uint unmasked = (uint)Random.Next(64) & ~Underflow;
            _guest.State.Mxcsr &= ~(unmasked << 7);
            string inputs = $"{encoding.Instruction} | {Describe(host, encoding)} unmasked={unmasked:X}";
            X86CpuState start = _guest.State;
            _guest.Run();
            host.Run();
            string difference = CompareUnmasked(host, start, unmasked);
            if (difference.Length != 0)
            {
                Failures.Add($"{inputs}\n    {difference}");
            }
        }

        _at += 32;
    }

    public void AssertNoFailures() =>
        Assert.True(Failures.Count == 0, $"{Failures.Count} differences\n" + string.Join('\n', Failures.Take(40)));

    public void Dispose() => _guest.Dispose();

    private void Arrange(HostInstruction host)
    {
        host.Reset();
        _operands.FillVectors(new Span<ulong>(host.Registers->Fpu + 160, 32));
        _operands.FillVectors(new Span<ulong>(host.Registers->Uppers, 32));
        _operands.FillVectors(new Span<ulong>(host.Memory, memoryCompared / 8));
        Span<ulong> mmx = stackalloc ulong[8];
        _operands.FillVectors(mmx);
        for (int i = 0; i < 8; i++)
        {
            host.StSignificand(i) = mmx[i];
            host.StExponent(i) = (ushort)Random.Next(0x10000);
        }

        host.Fsw = (ushort)(Random.Next(0x10000) & 0x7F00);
        host.Ftw = (byte)Random.Next(256);
        host.Mxcsr = _operands.NextMxcsr();
        host.Rflags = 0x202 | ((ulong)Random.Next(0x1000) & ArithmeticFlags);
        Span<ulong> gprs = new(host.Gprs, 16);
        ulong rbx = host.Gprs[Gpr.Rbx];
        _operands.FillVectors(gprs);
        host.Gprs[Gpr.Rbx] = rbx;
    }

    private void ToGuest(HostInstruction host)
    {
        X86CpuState state = GuestProcessor.LongMode();
        state.Rip = _at;
        state.Rflags = host.Rflags;
        state.Mxcsr = host.Mxcsr;
        state.Cr4 |= Cr4.OSXSAVE;
        state.Xcr0 = 7;
        state.Fcw = host.Fcw;
        state.Fsw = host.Fsw;
        state.Ftw = 0;
        for (int i = 0; i < 8; i++)
        {
            int register = (((host.Fsw >> 11) & 7) + i) & 7;
            state.FpuRegisters[2 * register] = host.StSignificand(i);
            state.FpuRegisters[(2 * register) + 1] = host.StExponent(i);
            state.Ftw |= (ushort)((host.Ftw & (1 << i)) == 0 ? 3 << (2 * i) : 0);
        }

        for (int i = 0; i < 16; i++)
        {
            state.Vectors[4 * i] = host.Xmm(i);
            state.Vectors[(4 * i) + 1] = host.Xmm(i, 1);
            state.Vectors[(4 * i) + 2] = host.Upper(i);
            state.Vectors[(4 * i) + 3] = host.Upper(i, 1);
            state.Gprs[i] = i == Gpr.Rsp ? GuestProcessor.Stack : ToGuestAddress(host, host.Gprs[i]);
        }

        _guest.State = state;
        Adjust?.Invoke(_guest);
        Buffer.MemoryCopy(host.Memory, _guest.At(GuestProcessor.Data), memoryCompared, memoryCompared);
    }

    private static ulong ToGuestAddress(HostInstruction host, ulong value) =>
        value - (ulong)host.Memory < 4096 ? value - (ulong)host.Memory + GuestProcessor.Data : value;

    private string Compare(HostInstruction host)
    {
        List<string> differences = [];
        ref X86CpuState state = ref _guest.State;
        Check(differences, "fault", ulong.MaxValue, (ulong)_guest.Fault);
        Check(differences, "MXCSR", host.Mxcsr, state.Mxcsr);
        Check(differences, "flags", host.Rflags & ArithmeticFlags, state.Rflags & ArithmeticFlags);
        Check(differences, "FSW", host.Fsw, state.Fsw);
        Check(differences, "FCW", host.Fcw, state.Fcw);
        for (int i = 0; i < 16; i++)
        {
            if (host.Xmm(i) != state.Vectors[4 * i] || host.Xmm(i, 1) != state.Vectors[(4 * i) + 1])
            {
                differences.Add(
                    $"XMM{i}: host {host.Xmm(i, 1):X16}_{host.Xmm(i):X16} ours " +
                    $"{state.Vectors[(4 * i) + 1]:X16}_{state.Vectors[4 * i]:X16}");
            }

            if (host.Upper(i) != state.Vectors[(4 * i) + 2] || host.Upper(i, 1) != state.Vectors[(4 * i) + 3])
            {
                differences.Add(
                    $"YMM{i} upper: host {host.Upper(i, 1):X16}_{host.Upper(i):X16} ours " +
                    $"{state.Vectors[(4 * i) + 3]:X16}_{state.Vectors[(4 * i) + 2]:X16}");
            }

            if (i != Gpr.Rsp)
            {
                Check(differences, $"GPR{i}", ToGuestAddress(host, host.Gprs[i]), state.Gprs[i]);
            }
        }

        for (int i = 0; i < 8; i++)
        {
            int register = (((host.Fsw >> 11) & 7) + i) & 7;
            Check(differences, $"MM{register}", host.StSignificand(i), state.FpuRegisters[2 * register]);
            Check(differences, $"MM{register}.exponent", host.StExponent(i), (ushort)state.FpuRegisters[(2 * register) + 1]);
            Check(differences, $"tag{i}", (ulong)(host.Ftw >> i) & 1, ((state.Ftw >> (2 * i)) & 3) == 3 ? 0UL : 1);
        }

        Span<byte> expected = new(host.Memory, memoryCompared);
        Span<byte> actual = new(_guest.At(GuestProcessor.Data), memoryCompared);
        if (!expected.SequenceEqual(actual))
        {
            differences.Add($"memory: host {Convert.ToHexString(expected)}\n             ours {Convert.ToHexString(actual)}");
        }

        return string.Join(", ", differences);
    }

    /// <summary>
    /// Which of several NaNs a dot product gives depends on the order of its additions, which differs between models (an AMD EPYC and an
    /// Intel Xeon of the fourth generation do): where both have one, the guest's counts.
    /// </summary>
    private void TakeOverNans(HostInstruction host, SimdEncoding encoding)
    {
        Mnemonic mnemonic = encoding.Instruction.Mnemonic;
        if (!UndefinedFlags.ChoosesAmongNans(encoding.Instruction))
        {
            return;
        }

        ref X86CpuState state = ref _guest.State;
        for (int i = 0; i < 64; i++)
        {
            ref ulong ours = ref state.Vectors[i];
            ref ulong theirs = ref (i & 2) == 0 ? ref host.Xmm(i / 4, i & 1) : ref host.Upper(i / 4, i & 1);
            if (mnemonic is Mnemonic.Dppd or Mnemonic.Vdppd)
            {
                theirs = double.IsNaN(BitConverter.UInt64BitsToDouble(theirs)) && double.IsNaN(BitConverter.UInt64BitsToDouble(ours))
                    ? ours
                    : theirs;
                continue;
            }

            ulong low = Choose((uint)theirs, (uint)ours);
            theirs = low | ((ulong)Choose((uint)(theirs >> 32), (uint)(ours >> 32)) << 32);
        }

        static uint Choose(uint their, uint our) =>
            float.IsNaN(BitConverter.UInt32BitsToSingle(their)) && float.IsNaN(BitConverter.UInt32BitsToSingle(our)) ? our : their;
    }

    private string CompareUnmasked(HostInstruction host, X86CpuState start, uint unmasked)
    {
        uint raised = host.Mxcsr & 0x3F;
        if ((raised & unmasked) == 0)
        {
            host.Mxcsr &= ~(unmasked << 7);
            return Compare(host);
        }

        // Whether an unmasked overflow is inexact as well is not what the masked one says.
        uint reported = (raised & unmasked & OperandExceptions) != 0 ? raised & OperandExceptions : raised;
        uint ignored = (reported & unmasked & Overflow) != 0 ? Inexact : 0;
        List<string> differences = [];
        X86CpuState state = _guest.State;
        Check(differences, "fault", (ulong)ExceptionVector.Simd, (ulong)_guest.Fault);
        Check(differences, "MXCSR", (start.Mxcsr | reported) & ~ignored, state.Mxcsr & ~ignored);
        if (!new Span<ulong>(start.Vectors, 64).SequenceEqual(new Span<ulong>(state.Vectors, 64))
            || !new Span<ulong>(start.FpuRegisters, 16).SequenceEqual(new Span<ulong>(state.FpuRegisters, 16)))
        {
            differences.Add("a register was written");
        }

        for (int i = 0; i < 16; i++)
        {
            Check(differences, $"GPR{i}", i == Gpr.Rsp ? state.Gprs[i] : start.Gprs[i], state.Gprs[i]);
        }

        Check(differences, "flags", start.Rflags & ArithmeticFlags, state.Rflags & ArithmeticFlags);
        return string.Join(", ", differences);
    }

    private static void Check(List<string> differences, string name, ulong expected, ulong actual)
    {
        if (expected != actual)
        {
            differences.Add($"{name}: host {expected:X} ours {actual:X}");
        }
    }

    private static string Describe(HostInstruction host, SimdEncoding encoding)
    {
        string text = $"mxcsr={host.Mxcsr:X4}";
        Instruction instruction = encoding.Instruction;
        for (int i = 0; i < instruction.OpCount; i++)
        {
            Register register = instruction.GetOpRegister(i);
            int number = register.GetNumber();
            text += register.IsYMM()
                ? $" {register}={host.Upper(number, 1):X16}_{host.Upper(number):X16}_{host.Xmm(number, 1):X16}_{host.Xmm(number):X16}"
                : register.IsXMM() ? $" {register}={host.Xmm(number, 1):X16}_{host.Xmm(number):X16}"
                : register.IsMM() ? $" {register}={host.StSignificand((number - (host.Fsw >> 11)) & 7):X16}"
                : register.IsGPR() ? $" {register.GetFullRegister()}={host.Gprs[register.GetFullRegister().GetNumber()]:X16}" : "";
        }

        return encoding.HasMemory ? $"{text} mem={Convert.ToHexString(new Span<byte>(host.Memory + encoding.Displacement, 32))}" : text;
    }
}
