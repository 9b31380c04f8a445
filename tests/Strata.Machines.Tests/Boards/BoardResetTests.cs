using Iced.Intel;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.EndToEnd.Tests.Harness;
using Strata.Machines.Boards;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Machines.Tests.Boards;

/// <summary>Guests that reset their machine and are started again.</summary>
public sealed class BoardResetTests
{
    private const uint Starts = 0x92000;

    /// <summary>Ways to reset a PC, as guests take them.</summary>
    private static readonly Dictionary<string, Action<Assembler>> Ways = new()
    {
        ["8042 pulse"] = c => c.OutByte(0x64, 0xFE),
        ["8042 output port"] = c =>
        {
            c.OutByte(0x64, 0xD1);
            c.OutByte(0x60, 0xFE);
        },
        ["port CF9h"] = c =>
        {
            c.mov(dx, 0xCF9);
            c.mov(al, 2);
            c.@out(dx, al);
            c.mov(al, 6);
            c.@out(dx, al);
        },
        ["triple fault"] = c =>
        {
            c.mov(edi, 0x8000);
            c.mov(__dword_ptr[edi], 0);
            c.mov(__dword_ptr[edi + 4], 0);
            c.lidt(__[edi]);
            c.ud2();
        },
    };

    public static TheoryData<string, string, int> Cases()
    {
        TheoryData<string, string, int> cases = [];
        foreach (string way in Ways.Keys)
        {
            cases.Add(way, "interpreter", 1);
            cases.Add(way, "translator", 1);
            cases.Add(way, "translator", 3);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task RequestReset_EachWay_StartsTheGuestAgainWithItsMemory(string way, string engine, int processors)
    {
        using GuestBoard guest = new(engine, CountStarts(Ways[way]), processors);

        guest.Board.Start();
        MachineExit exit = await guest.WaitForExitAsync();

        Assert.Equal((MachineExitReason.DebugExit, 0x21, 2, "123"), (exit.Reason, exit.Code, guest.Board.Resets, guest.Printed));
    }

    [Theory]
    [InlineData("8042 pulse", MachineExitReason.Reset)]
    [InlineData("port CF9h", MachineExitReason.Reset)]
    [InlineData("triple fault", MachineExitReason.TripleFault)]
    public async Task RequestReset_RunThatEndsOnReset_EndsAtTheFirst(string way, MachineExitReason expected)
    {
        using GuestBoard guest = new("interpreter", CountStarts(Ways[way]), endsOnReset: true);

        guest.Board.Start();

        Assert.Equal(expected, (await guest.WaitForExitAsync()).Reason);
        Assert.Equal((0, "1"), (guest.Board.Resets, guest.Printed));
    }

    [Theory]
    [InlineData("8042 pulse", MachineExitReason.Reset)]
    [InlineData("triple fault", MachineExitReason.TripleFault)]
    public async Task RequestReset_ForEver_EndsTheRunAndSaysSo(string way, MachineExitReason expected)
    {
        using GuestBoard guest = new("translator", MultibootProgram.Assemble(c =>
        {
            Ways[way](c);
            c.hlt();
        }));

        guest.Board.Start();
        MachineExit exit = await guest.WaitForExitAsync();

        Assert.Equal(expected, exit.Reason);
        Assert.Contains("does not come up", exit.Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reset_ByTheHost_StartsTheGuestAgain()
    {
        using GuestBoard guest = new("translator", CountStarts(_ => { }), processors: 2);
        guest.Board.Start();
        await GuestBoard.WaitUntilAsync(() => guest.Printed == "1");

        guest.Board.Reset();

        await GuestBoard.WaitUntilAsync(() => guest.Printed == "12");
        Assert.Equal(1, guest.Board.Resets);
    }

    [Fact]
    public async Task Reset_WhilePaused_IsCarriedOutBehindThePause()
    {
        using GuestBoard guest = new("interpreter", CountStarts(_ => { }));
        guest.Board.Start();
        await GuestBoard.WaitUntilAsync(() => guest.Printed == "1");
        guest.Board.Pause();

        guest.Board.Reset();
        await Task.Delay(20);
        Assert.Equal(0, guest.Board.Resets);
        guest.Board.Resume();

        await GuestBoard.WaitUntilAsync(() => guest.Printed == "12");
    }

    [Fact]
    public async Task Reset_ChipsProgrammedByTheGuest_AreAsAfterPowerOn()
    {
        using GuestBoard guest = new("interpreter", CountStarts(_ => { }));
        guest.Board.Ports.Write(0x21, AccessWidth.Byte, 0x5A);
        guest.Board.Ports.Write(0x3FF, AccessWidth.Byte, 0x77);
        using GuestBoard fresh = new("interpreter", CountStarts(_ => { }));
        Assert.Equal(["pic", "uart0"], Differences(fresh, guest));

        guest.Board.Reset();
        await GuestBoard.WaitUntilAsync(() => guest.Board.Resets == 1);

        Assert.Equal(["rtc"], Differences(fresh, guest)); // has a battery, and goes on where it was
    }

    [Fact]
    public async Task Reset_MachineWithoutAKernel_EndsAndSaysWhy()
    {
        using GuestBoard guest = new("interpreter", kernel: null);
        guest.Board.Start();

        guest.Board.Reset();

        Assert.Contains("no kernel", (await guest.WaitForExitAsync()).Details, StringComparison.Ordinal);
    }

    /// <summary>The units of two boards that remember different things; their guests have not run.</summary>
    private static IEnumerable<string> Differences(GuestBoard one, GuestBoard other) => Save(one).Zip(Save(other))
        .Where(pair => !pair.First.Bytes.Span.SequenceEqual(pair.Second.Bytes.Span))
        .Select(pair => pair.First.UnitName);

    private static IReadOnlyList<UnitRecord> Save(GuestBoard guest)
    {
        guest.Board.Pause();
        IReadOnlyList<UnitRecord> records = guest.Board.SaveState();
        guest.Board.Resume();
        return records;
    }

    /// <summary>Prints how often it was started, then resets; the third start ends the run.</summary>
    private static byte[] CountStarts(Action<Assembler> reset) => MultibootProgram.Assemble(c =>
    {
        Label again = c.CreateLabel();
        Label wait = c.CreateLabel();
        c.mov(ebx, __dword_ptr[Starts]);
        c.inc(ebx);
        c.mov(__dword_ptr[Starts], ebx);
        c.mov(eax, ebx);
        c.add(al, (byte)'0');
        c.mov(dx, 0x3F8);
        c.@out(dx, al);
        c.cmp(ebx, 3);
        c.jne(again);
        c.OutByte(0xF4, 0x10);
        c.Label(ref again);
        c.nop(); // an instruction has one label at most
        reset(c);
        c.Label(ref wait);
        c.cli();
        c.hlt();
        c.jmp(wait);
    });
}
