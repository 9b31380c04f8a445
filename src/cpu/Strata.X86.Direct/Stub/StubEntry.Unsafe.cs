namespace Strata.X86.Direct.Stub;

/// <summary>The state that guest code is entered with, in the control page.</summary>
internal readonly unsafe struct StubEntry(byte* control)
{
    /// <summary>Sixteen quadwords, in the order of their encoding.</summary>
    public ulong* Registers => (ulong*)(control + StubLayout.ControlOffset.Registers);

    public ref ulong Rip => ref *(ulong*)(control + StubLayout.ControlOffset.Rip);

    public ref ulong Cs => ref *(ulong*)(control + StubLayout.ControlOffset.Cs);

    public ref ulong Rflags => ref *(ulong*)(control + StubLayout.ControlOffset.Rflags);

    public ref ulong Rsp => ref *(ulong*)(control + StubLayout.ControlOffset.Rsp);

    public ref ulong Ss => ref *(ulong*)(control + StubLayout.ControlOffset.Ss);

    public ref ulong FsBase => ref *(ulong*)(control + StubLayout.ControlOffset.FsBase);

    public ref ulong GsBase => ref *(ulong*)(control + StubLayout.ControlOffset.GsBase);

    /// <summary>DS, ES, FS, GS.</summary>
    public ushort* Selectors => (ushort*)(control + StubLayout.ControlOffset.Selectors);

    /// <summary>For XRSTOR, in the standard form; aligned.</summary>
    public byte* Vectors => control + StubLayout.ControlOffset.Vectors;
}
