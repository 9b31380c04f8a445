using Strata.Machines.Boards;
using Strata.X86.Execution;

namespace Strata.Machines.Tests.Boards;

/// <summary>Programs of a clone that wait until it is a machine of its own.</summary>
public sealed class UserCodeHoldTests
{
    private const uint SomeTicks = 20;

    [Theory]
    [InlineData("interpreter")]
    [InlineData("translator")]
    public async Task HoldUserCode_OfAGuestWithTwoPrograms_LetsOnlyTheOneRunThatSaidSo(string engine)
    {
        using GuestBoard guest = new(engine, TwoProgramsGuest.Assemble());
        guest.Board.Start();
        await WaitForAsync(guest, TwoProgramsGuest.SecondCount, 1);
        guest.Board.Pause();
        guest.Board.HoldUserCode();
        uint before = Read(guest, TwoProgramsGuest.SecondCount);
        uint first = Read(guest, TwoProgramsGuest.FirstCount);

        guest.Board.Resume();
        await WaitForAsync(guest, TwoProgramsGuest.Ticks, Read(guest, TwoProgramsGuest.Ticks) + SomeTicks);
        await WaitForAsync(guest, TwoProgramsGuest.FirstCount, first + 1);

        Assert.Equal(before, Read(guest, TwoProgramsGuest.SecondCount));
        guest.Board.ReleaseUserCode();
        await WaitForAsync(guest, TwoProgramsGuest.SecondCount, before + 1);
    }

    [Fact]
    public async Task HoldUserCode_SwitchedBetweenEngines_Holds()
    {
        using GuestBoard guest = new("interpreter", TwoProgramsGuest.Assemble());
        guest.Board.Start();
        await WaitForAsync(guest, TwoProgramsGuest.SecondCount, 1);
        guest.Board.Pause();
        guest.Board.HoldUserCode();
        uint before = Read(guest, TwoProgramsGuest.SecondCount);
        guest.Board.Resume();

        guest.Board.SwitchEngine(Machines.Engines.EngineRegistry.Find("translator")!);
        await WaitForAsync(guest, TwoProgramsGuest.Ticks, Read(guest, TwoProgramsGuest.Ticks) + SomeTicks);

        Assert.Equal(before, Read(guest, TwoProgramsGuest.SecondCount));
    }

    [Fact]
    public void HoldUserCode_OfAGuestWithoutTheProgram_IsRefused()
    {
        using GuestBoard guest = new("interpreter", EndToEnd.Tests.Harness.ChecksumGuest.Assemble());
        guest.Board.Start();
        guest.Board.Pause();

        Assert.False(guest.Board.HasIdentityProgram);
        Assert.Throws<InvalidOperationException>(guest.Board.HoldUserCode);
    }

    [Theory]
    [InlineData(0x1000UL, 0x1003UL, true)]
    [InlineData(0x1000UL, 0x2003UL, false)]
    [InlineData(0x2000UL, 0x2801UL, false)] // a PCID of user tables, with the kernel's tables
    [InlineData(0x2000UL, 0x3801UL, true)] // page-table isolation: the user's tables lie behind
    [InlineData(0x2000UL, 0x3001UL, false)] // another process, which happens to lie behind
    [InlineData(0x1000UL, 0x1801UL, false)]
    public void Admits_TablesInCr3_AreThoseOfTheProgram(ulong addressSpace, ulong cr3, bool expected) =>
        Assert.Equal(expected, new UserCodeHold(addressSpace).Admits(cr3));

    private static uint Read(GuestBoard guest, uint address) => BitConverter.ToUInt32(guest.Board.Ram.Slice(address, 4));

    private static Task WaitForAsync(GuestBoard guest, uint address, uint value) =>
        GuestBoard.WaitUntilAsync(() => Read(guest, address) >= value);
}
