namespace Strata.X86.Direct.Stub;

/// <summary>
/// Where things lie in a stub process. All of it is in one slot of 512 GiB, which the top level of the guest's page tables has one entry
/// for: where that entry is absent, the guest has nothing there.
/// <code>
/// Base              the stub's code and constants                      read, execute   private to the stub
/// Control           what the monitor says: entry state, commands       read            shared, written by the monitor only
/// Public            what the stub says: event, registers               read, write     shared; guest code can write it as well
/// Stack             where the host's kernel leaves signal frames       read, write     shared; guest code can write it as well
/// everything else   the guest's user pages, or nothing
/// </code>
/// </summary>
internal static class StubLayout
{
    /// <summary>First address of the slot.</summary>
    public const ulong Base = 0x2A00_0000_0000;

    /// <summary>Room for the stub's code and constants.</summary>
    public const int CodeSize = 0x1000;

    /// <summary>Behind the slot.</summary>
    public const ulong End = Base + (1UL << SlotShift);

    /// <summary>log2 of a slot's bytes: what an entry of a PML4 covers.</summary>
    public const int SlotShift = 39;

    /// <summary>Behind the last address that a process may map, with four levels of page tables.</summary>
    public const ulong UserEnd = 0x7FFF_FFFF_F000;

    /// <summary>Hosts let nobody map less by default: vm.mmap_min_addr.</summary>
    public const ulong UserStart = 0x1_0000;

    public const ulong Control = Base + 0x10_0000;
    public const int ControlSize = 0x1_0000;
    public const ulong Public = Base + 0x20_0000;
    public const int PublicSize = 0x1000;
    public const ulong Stack = Public + PublicSize;
    public const int StackSize = 0x1_0000;

    /// <summary>The file that both processes map: control pages, then public page and stack.</summary>
    public const int FileSize = ControlSize + PublicSize + StackSize;

    /// <summary>
    /// The stack pointer of the stub's own code while it is parked. The host puts a frame at the top of the stack when guest code is
    /// interrupted, and below this when the stub's code is.
    /// </summary>
    public const ulong ParkedStack = Stack + 0x6000;

    /// <summary>Descriptors of the stub: the guest's RAM, and the shared file until it has been mapped.</summary>
    public const int RamDescriptor = 3;
    public const int FileDescriptor = 4;

    /// <summary>Offsets in the control pages. Words that are waited for have cache lines of their own.</summary>
    public static class ControlOffset
    {
        /// <summary>
        /// Number of the run that guest code may make; the stub is parked while it equals <see cref="PublicOffset.Event"/>.
        /// </summary>
        public const int Run = 0;

        /// <summary>Where the parked runner is moved to, so that the monitor knows from the kernel that it sleeps.</summary>
        public const int ParkedRunner = 64;

        /// <summary>Number of the batch of commands that is to be carried out.</summary>
        public const int Batch = 128;

        /// <summary>The same for the mapper as <see cref="ParkedRunner"/>.</summary>
        public const int ParkedMapper = 192;
        public const int CommandCount = 256;

        /// <summary>The monitor's process.</summary>
        public const int Monitor = 260;

        /// <summary>Not zero while the monitor sleeps, or is about to, until an event wakes it.</summary>
        public const int Sleeps = 268;

        /// <summary>Whom the mapper wakes behind the batch: the runner if it is not 0, the monitor otherwise.</summary>
        public const int WakesRunner = 264;

        /// <summary>The state that guest code is entered with: 16 general registers, then IRETQ's frame.</summary>
        public const int Registers = 320;
        public const int Rip = 448;
        public const int Rflags = 464;
        public const int Rsp = 472;
        public const int Ss = 480;
        public const int Cs = 456;
        public const int FsBase = 488;
        public const int GsBase = 496;

        /// <summary>Four words: DS, ES, FS, GS.</summary>
        public const int Selectors = 504;

        /// <summary>An image for XRSTOR.</summary>
        public const int Vectors = 1024;

        /// <summary>Seven quadwords each: number of a system call, six arguments.</summary>
        public const int Commands = 4096;
        public const int CommandSize = 56;
        public const int MostCommands = (ControlSize - Commands) / CommandSize;
    }

    /// <summary>Offsets in the public page. Nothing here can be trusted once guest code has run.</summary>
    public static class PublicOffset
    {
        /// <summary>Number of the run that has ended.</summary>
        public const int Event = 0;

        /// <summary>Number of the batch that has been carried out.</summary>
        public const int BatchDone = 64;

        public const int Signal = 128;

        /// <summary>Addresses in the stub of the signal's siginfo and ucontext.</summary>
        public const int Information = 136;
        public const int Context = 144;
        public const int FsBase = 152;
        public const int GsBase = 160;

        /// <summary>Four doublewords: DS, ES, FS, GS.</summary>
        public const int Selectors = 168;

        /// <summary>Thread that guest code runs on; written before any does.</summary>
        public const int Runner = 192;
    }
}
