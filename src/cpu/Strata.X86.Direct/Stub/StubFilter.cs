using System.Buffers.Binary;

namespace Strata.X86.Direct.Stub;

/// <summary>
/// The system-call filters of a stub's two threads, as programs for the host kernel (Linux,
/// Documentation/userspace-api/seccomp_filter.rst).
/// <para>The runner, which guest code runs on, may wait for the word that lets it run and wake who waits for its event: with these very
/// arguments, so that it does not matter who executes the instruction. Everything else becomes a signal: that is how the guest's own
/// system calls are caught. A few numbers that newer kernels let pass by any filter are caught by syscall user dispatch, which is on for
/// everything outside of the stub's code.</para>
/// <para>The mapper, which guest code cannot reach, may besides change mappings of guest RAM outside of the stub's own slot. Anything else
/// ends the stub.</para>
/// </summary>
internal static class StubFilter
{
    public const uint ArchitectureX64 = 0xC000003E; // AUDIT_ARCH_X86_64

    private const uint Allow = 0x7FFF0000; // SECCOMP_RET_ALLOW
    private const uint Trap = 0x00030000; // SECCOMP_RET_TRAP
    private const uint KillProcess = 0x80000000; // SECCOMP_RET_KILL_PROCESS

    // struct seccomp_data
    private const int NumberOffset = 0;
    private const int ArchitectureOffset = 4;

    private static int ArgumentOffset(int index) => 16 + (8 * index);

    /// <summary>For the runner.</summary>
    public static byte[] Runner()
    {
        Program program = new(Trap);
        program.Demand(ArchitectureOffset, ArchitectureX64);
        program.Demand(NumberOffset, (uint)HostCall.Futex);
        program.Split(ArgumentOffset(1), HostCalls.FutexWake, whenEqual: wake =>
        {
            wake.DemandWide(ArgumentOffset(0), StubLayout.Public + StubLayout.PublicOffset.Event);
            wake.Demand(ArgumentOffset(2), 1);
            wake.Return(Allow);
        });
        program.Demand(ArgumentOffset(1), HostCalls.FutexWait);
        program.DemandWide(ArgumentOffset(0), StubLayout.Control + StubLayout.ControlOffset.Run);
        program.DemandWide(ArgumentOffset(3), 0); // no end of the wait but the monitor's, or a signal
        program.Return(Allow);
        return program.Finish();
    }

    /// <summary>For the mapper.</summary>
    public static byte[] Mapper()
    {
        Program program = new(KillProcess);
        program.Demand(ArchitectureOffset, ArchitectureX64);
        foreach (HostCall call in new[] { HostCall.Futex, HostCall.ExitGroup })
        {
            program.Split(NumberOffset, (uint)call, whenEqual: branch => branch.Return(Allow));
        }

        program.Split(NumberOffset, (uint)HostCall.Mmap, whenEqual: map =>
        {
            map.Demand(ArgumentOffset(3), HostCalls.MapShared | HostCalls.MapFixed);
            map.Demand(ArgumentOffset(4), StubLayout.RamDescriptor);
            AllowOutsideOfSlot(map);
        });
        program.Split(NumberOffset, (uint)HostCall.Munmap, whenEqual: AllowOutsideOfSlot);
        program.Split(NumberOffset, (uint)HostCall.Mprotect, whenEqual: AllowOutsideOfSlot);
        return program.Finish();
    }

    /// <summary>Whether the address lies in the slot is in its upper half.</summary>
    private static void AllowOutsideOfSlot(Program program)
    {
        program.Refuse(ArgumentOffset(0) + 4, (uint)(StubLayout.Base >> 32), (uint)(StubLayout.End >> 32));
        program.Return(Allow);
    }

    /// <summary>Instructions of classic BPF, eight bytes each. A condition that fails leads to the last instruction.</summary>
    private sealed class Program(uint otherwise)
    {
        private const ushort LoadWord = 0x20; // BPF_LD | BPF_W | BPF_ABS
        private const ushort JumpEqual = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
        private const ushort JumpAboveOrEqual = 0x35; // BPF_JMP | BPF_JGE | BPF_K
        private const ushort ReturnValue = 0x06; // BPF_RET | BPF_K
        private const int ToTheEnd = -1;

        private readonly List<(ushort Code, int True, int False, uint Value)> _instructions = [];

        public void Demand(int offset, uint value)
        {
            _instructions.Add((LoadWord, 0, 0, (uint)offset));
            _instructions.Add((JumpEqual, 0, ToTheEnd, value));
        }

        public void DemandWide(int offset, ulong value)
        {
            Demand(offset, (uint)value);
            Demand(offset + 4, (uint)(value >> 32));
        }

        /// <summary>A value from <paramref name="first"/> to below <paramref name="end"/> fails.</summary>
        public void Refuse(int offset, uint first, uint end)
        {
            _instructions.Add((LoadWord, 0, 0, (uint)offset));
            _instructions.Add((JumpAboveOrEqual, 0, 1, first));
            _instructions.Add((JumpAboveOrEqual, 0, ToTheEnd, end));
        }

        /// <summary>Instructions of their own for one value; they must end in <see cref="Return"/>.</summary>
        public void Split(int offset, uint value, Action<Program> whenEqual)
        {
            _instructions.Add((LoadWord, 0, 0, (uint)offset));
            int test = _instructions.Count;
            _instructions.Add(default);
            whenEqual(this);
            _instructions[test] = (JumpEqual, 0, _instructions.Count - test - 1, value);
        }

        public void Return(uint value) => _instructions.Add((ReturnValue, 0, 0, value));

        public byte[] Finish()
        {
            Return(otherwise);
            int last = _instructions.Count - 1;
            byte[] bytes = new byte[_instructions.Count * 8];
            for (int i = 0; i < _instructions.Count; i++)
            {
                (ushort code, int whenTrue, int whenFalse, uint value) = _instructions[i];
                Span<byte> at = bytes.AsSpan(i * 8);
                BinaryPrimitives.WriteUInt16LittleEndian(at, code);
                at[2] = (byte)whenTrue;
                at[3] = (byte)(whenFalse == ToTheEnd ? last - i - 1 : whenFalse);
                BinaryPrimitives.WriteUInt32LittleEndian(at[4..], value);
            }

            return bytes;
        }
    }
}
