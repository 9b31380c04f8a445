using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>
/// The same code on the host and on the interpreter, with the same register values and the same 4 KiB of memory at the same
/// virtual address: the guest's page tables map the host's address. Guest pages that are neighbours are not so in physical
/// memory.
/// </summary>
internal sealed unsafe class ProcessorPair : IDisposable
{
    public const int MemorySize = 4096;
    private const ulong PageSize = 4096;
    private const ulong SecondPage = GuestProcessor.Data + (2 * PageSize);
    private const ulong PageTables = 0x20000;
    private const ulong PresentWritable = 3;
    private static readonly X86CpuState Initial = GuestProcessor.LongMode();
    private readonly GuestProcessor _guest;
    private readonly HostInstruction _host;
    private readonly ulong _entry;
    private readonly byte[] _memoryBefore = new byte[MemorySize];
    private HostRegisters _before;
    private ulong _lastTable;

    /// <param name="entry">Where the guest has the code, with HLT behind it.</param>
    public ProcessorPair(GuestProcessor guest, ReadOnlySpan<byte> code, ulong entry)
    {
        _guest = guest;
        _entry = entry;
        _host = new HostInstruction(code);
        guest.Place(entry, code);
        MapMemory();
    }

    /// <summary>RAX..R15 before <see cref="Run"/>; the host's results after it. RSP is not compared.</summary>
    public ulong* Gprs => _host.Gprs;

    public ref ulong Rflags => ref _host.Rflags;

    /// <summary>Memory before <see cref="Run"/>; the host's results after it.</summary>
    public byte* Memory => _host.Memory;

    public Span<byte> MemoryBytes => new(Memory, MemorySize);

    /// <summary>First byte of the page that <see cref="Memory"/> ends in.</summary>
    public byte* PageBoundary => (byte*)(((ulong)Memory + PageSize - 1) & ~(PageSize - 1));

    /// <summary>Runs both.</summary>
    /// <returns>How the guest differs, or an empty string.</returns>
    public string Run(ulong undefinedFlags)
    {
        RunGuest();
        _host.Run();
        if (_guest.Fault >= 0)
        {
            return $"guest fault {_guest.Fault}";
        }

        string stack = _guest.State.Gprs[Gpr.Rsp] == Initial.Gprs[Gpr.Rsp] ? string.Empty : $"RSP={_guest.State.Gprs[Gpr.Rsp]:X} ";
        return stack + Compare(RFlags.Arithmetic & ~undefinedFlags | RFlags.DF);
    }

    /// <summary>Runs the guest alone, which must fault without changing registers, flags or memory.</summary>
    public string RunFault(int vector)
    {
        RunGuest();
        string difference = Compare(RFlags.Arithmetic | RFlags.DF);
        ulong pushedRip = *(ulong*)_guest.At(_guest.State.Gprs[Gpr.Rsp]);
        if (_guest.Fault == vector && pushedRip != _entry)
        {
            difference += $"pushed RIP {pushedRip:X}";
        }

        return _guest.Fault == vector ? difference : $"guest fault {_guest.Fault}, expected {vector}";
    }

    /// <summary>The state before the last run, with the memory that an operand at an address had.</summary>
    public string DescribeInputs(byte* address)
    {
        string result = string.Empty;
        for (int i = 0; i < 16; i++)
        {
            result += i == Gpr.Rsp ? string.Empty : $"{Name(i)}={_before.Gprs[i]:X} ";
        }

        result += $"flags={_before.Rflags:X}";
        return address == null
            ? result
            : $"{result} [{(ulong)address:X}]={Convert.ToHexString(_memoryBefore.AsSpan((int)(address - Memory), 16))}";
    }

    public void Dispose() => _host.Dispose();

    private void RunGuest()
    {
        _before = *_host.Registers;
        MemoryBytes.CopyTo(_memoryBefore);
        _guest.State = Initial;
        for (int i = 0; i < 16; i++)
        {
            if (i != Gpr.Rsp)
            {
                _guest.State.Gprs[i] = Gprs[i];
            }
        }

        _guest.State.Rflags = Rflags;
        _guest.State.Rip = _entry;
        CopyMemory(toGuest: true);
        _guest.Run();
    }

    private string Compare(ulong flags)
    {
        string result = string.Empty;
        for (int i = 0; i < 16; i++)
        {
            if (i != Gpr.Rsp && _guest.State.Gprs[i] != Gprs[i])
            {
                result += $"{Name(i)}={_guest.State.Gprs[i]:X}, not {Gprs[i]:X} ";
            }
        }

        ulong changed = (_guest.State.Rflags ^ Rflags) & flags;
        if (changed != 0)
        {
            result += $"flags={_guest.State.Rflags & flags:X}, not {Rflags & flags:X} ";
        }

        int first = CopyMemory(toGuest: false);
        return first < 0 ? result : result + $"memory+{first:X}={GuestByte(first):X2}, not {Memory[first]:X2}";
    }

    /// <returns>When comparing, offset of the first byte that differs, or −1.</returns>
    private int CopyMemory(bool toGuest)
    {
        int split = (int)(PageBoundary - Memory);
        ulong offset = (ulong)Memory & (PageSize - 1);
        Span<byte> low = new(_guest.At(GuestProcessor.Data + offset), split);
        Span<byte> high = new(_guest.At(SecondPage), MemorySize - split);
        if (toGuest)
        {
            MemoryBytes[..split].CopyTo(low);
            MemoryBytes[split..].CopyTo(high);
            return -1;
        }

        int same = low.CommonPrefixLength(MemoryBytes[..split]);
        same += same < split ? 0 : high.CommonPrefixLength(MemoryBytes[split..]);
        return same == MemorySize ? -1 : same;
    }

    private byte GuestByte(int index)
    {
        int split = (int)(PageBoundary - Memory);
        ulong offset = (ulong)Memory & (PageSize - 1);
        return *_guest.At(index < split ? GuestProcessor.Data + offset + (ulong)index : SecondPage + (ulong)(index - split));
    }

    private void MapMemory()
    {
        ulong page = (ulong)Memory & ~(PageSize - 1);
        _lastTable = PageTables;
        new Span<byte>(_guest.At(PageTables), (int)(8 * PageSize)).Clear();
        ulong* root = (ulong*)_guest.At(Initial.Cr3);

        // What an earlier pair mapped; the first 4 MiB stay as the guest has them.
        ulong* pointers = Table(*root);
        new Span<ulong>(pointers + 1, 511).Clear();
        new Span<ulong>(Table(*pointers) + 2, 510).Clear();
        Map(root, page, GuestProcessor.Data);
        Map(root, page + PageSize, SecondPage);
    }

    private void Map(ulong* table, ulong address, ulong physical)
    {
        for (int shift = 39; shift > 12; shift -= 9)
        {
            ulong* entry = table + ((address >> shift) & 511);
            if (*entry == 0)
            {
                *entry = _lastTable | PresentWritable;
                _lastTable += PageSize;
            }

            table = Table(*entry);
        }

        table[(address >> 12) & 511] = physical | PresentWritable;
    }

    private ulong* Table(ulong entry) => (ulong*)_guest.At(entry & ~(PageSize - 1));

    private static string Name(int register) => (Iced.Intel.Register.RAX + register).ToString();
}
