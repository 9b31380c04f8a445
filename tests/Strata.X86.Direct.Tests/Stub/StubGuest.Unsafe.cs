using Iced.Intel;
using Strata.Core.Memory;
using Strata.X86.Direct.Stub;
using Strata.X86.Registers;

namespace Strata.X86.Direct.Tests.Stub;

/// <summary>A stub with a page of code, one of data, and 16 MiB of guest RAM, without a processor around it.</summary>
internal sealed unsafe class StubGuest : IDisposable
{
    public const ulong Code = 0x40_0000;
    public const ulong Data = 0x50_0000;
    public const ulong CodeOffset = 0x1000;
    public const ulong DataOffset = 0x2000;

    /// <summary>A page of RAM that is not mapped: the guest's kernel's, say.</summary>
    public const ulong SecretOffset = 0x3000;

    private readonly StubHost _host;
    private X86CpuState _state = X86CpuState.AtReset();

    public StubGuest()
    {
        Ram = GuestMemory.CreateShared(16 << 20);
        _host = new StubHost(Ram.File!);
        Stub = _host.Start();
        _state.Fcw = 0x37F;
        _state.Ftw = 0xFFFF;
        Ram.Slice(SecretOffset, 4096).Fill(0x5E);
        Prepare();
    }

    public GuestMemory Ram { get; }

    public StubProcess Stub { get; private set; }

    public ref X86CpuState State => ref _state;

    public Span<byte> DataPage => Ram.Slice(DataOffset, 4096);

    public void Write(byte[] code) => code.CopyTo(Ram.Slice(CodeOffset, 4096));

    public void Write(Action<Assembler> program, int bits = 64)
    {
        Assembler assembler = new(bits);
        program(assembler);
        MemoryStream bytes = new();
        assembler.Assemble(new StreamCodeWriter(bytes), Code);
        Write(bytes.ToArray());
    }

    /// <summary>Runs from the start of the code page, with the stack pointer in the middle of the data page.</summary>
    public StubFrame Run(ulong cs = 0x33, ulong rflags = 0x202)
    {
        int attention = 0;
        return Run(ref attention, cs, rflags) is var (stop, frame) && stop == StubStop.Event ? frame
            : throw new InvalidOperationException($"The run ended with {stop}.");
    }

    /// <summary>The same where the stub may be lost; another takes its place then.</summary>
    public (StubStop Stop, StubFrame Frame) Run(ref int attention, ulong cs = 0x33, ulong rflags = 0x202)
    {
        StubEntry entry = Stub.Entry;
        for (int i = 0; i < 16; i++)
        {
            entry.Registers[i] = _state.Gprs[i];
        }

        (entry.Rip, entry.Rsp, entry.Rflags, entry.Cs, entry.Ss) = (Code, Data + 0x800, rflags, cs, 0x2B);
        (entry.FsBase, entry.GsBase) = (_state.Fs.Base, _state.Gs.Base);
        for (int i = 0; i < 4; i++)
        {
            entry.Selectors[i] = 0;
        }

        VectorImage.Store(_state, entry.Vectors);
        StubStop stop = Stub.Run(ref attention, out StubFrame frame, out byte* vectors);
        if (stop == StubStop.Event)
        {
            VectorImage.Load(ref _state, vectors);
        }
        else if (stop == StubStop.Lost)
        {
            Stub.Dispose();
            Stub = _host.Start();
            Prepare();
        }

        return (stop, frame);
    }

    public void Dispose()
    {
        Stub.Dispose();
        _host.Dispose();
        Ram.Dispose();
    }

    private void Prepare()
    {
        Stub.Map(Code, 4096, PageRights.Read | PageRights.Execute, CodeOffset);
        Stub.Map(Data, 4096, PageRights.Read | PageRights.Write, DataOffset);
    }
}
