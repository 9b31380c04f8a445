using Strata.X86.Interpreter.Tests.Harness;

namespace Strata.Conformance.Tests.Programs;

/// <summary>Mode and privilege in which a program runs.</summary>
internal sealed record GuestSetting(GuestMode Mode, int Cpl, GuestPaging Paging)
{
    public int Bitness => Mode switch { GuestMode.Long => 64, GuestMode.Protected32 or GuestMode.Compatibility => 32, _ => 16 };

    /// <summary>Physical address of the page in which programs start.</summary>
    public ulong Entry => Cpl == 3 || Mode == GuestMode.Virtual8086 ? SystemMachine.UserCode : SystemMachine.Code;

    public ulong CodeBase => Mode == GuestMode.Virtual8086 ? SystemMachine.UserCode : 0;

    /// <summary>First of the pages that programs use for data, physical.</summary>
    public ulong Data => Mode switch
    {
        GuestMode.Real or GuestMode.Protected16 => 0xE000,
        GuestMode.Virtual8086 => SystemMachine.UserCode + 0x8000,
        _ => Cpl == 3 ? SystemMachine.UserData : SystemMachine.Data,
    };

    /// <summary>
    /// Bytes that programs can reach: up to the page tables, which are the last pages mapped, or what real mode can address.
    /// </summary>
    public int ImageSize => IsPaged ? 0x90000 : 0x110000;

    public bool IsPaged => Paging != GuestPaging.Off;

    public override string ToString() => $"{Mode} at CPL {Cpl}, paging {Paging}";
}
