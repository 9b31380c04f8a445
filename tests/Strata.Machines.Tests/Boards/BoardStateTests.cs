using System.Globalization;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.EndToEnd.Tests.Harness;
using Strata.Machines.Boards;
using Strata.Machines.Engines;

namespace Strata.Machines.Tests.Boards;

/// <summary>A machine that stands still, and its state in another one.</summary>
public sealed class BoardStateTests
{
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(40);

    [Theory]
    [InlineData("interpreter", "interpreter")]
    [InlineData("interpreter", "translator")]
    [InlineData("translator", "interpreter")]
    [InlineData("translator", "translator")]
    public async Task LoadState_OfAnotherMachine_GoesOnWhereThatOneWas(string from, string to)
    {
        using GuestBoard first = new(from, ChecksumGuest.Assemble());
        first.Board.Start();
        await WaitForInterruptsAsync(first, 20);
        first.Board.Pause();
        uint interrupts = CountInterrupts(first);
        IReadOnlyList<UnitRecord> records = first.Board.SaveState();
        using GuestBoard second = new(to, kernel: null, memory: first.CopyMemory());

        second.Board.Pause();
        second.Board.LoadState(records);
        second.Board.Start();
        second.Board.Resume();
        first.Board.Resume();
        await WaitForInterruptsAsync(first, interrupts + 20);
        await WaitForInterruptsAsync(second, interrupts + 20);

        await FinishAsync(second);
        await FinishAsync(first);
    }

    [Fact]
    public async Task SaveState_BehindALoadOfTheSame_GivesEqualRecords()
    {
        using GuestBoard guest = new("interpreter", ChecksumGuest.Assemble(), processors: 2);
        guest.Board.Start();
        await Task.Delay(Turn);
        guest.Board.Pause();
        IReadOnlyList<UnitRecord> before = guest.Board.SaveState();

        guest.Board.LoadState(before);

        Assert.All(before.Zip(guest.Board.SaveState()), pair => Assert.True(
            pair.First.UnitName == pair.Second.UnitName
                && pair.First.Bytes.Span.SequenceEqual(pair.Second.Bytes.Span), pair.First.UnitName));
        guest.Board.Resume();
        await FinishAsync(guest);
    }

    [Fact]
    public async Task Pause_RunningMachine_StopsInstructionsAndTime()
    {
        using GuestBoard guest = new("interpreter", ChecksumGuest.Assemble());
        guest.Board.Start();
        await Task.Delay(Turn);

        guest.Board.Pause();
        (long Executed, long Time) before = (guest.Board.InstructionsExecuted, guest.Board.Clock.Now);
        await Task.Delay(Turn);

        Assert.Equal(before, (guest.Board.InstructionsExecuted, guest.Board.Clock.Now));
        Assert.True(guest.Board.Resume() >= Turn);
        await FinishAsync(guest);
    }

    [Fact]
    public async Task Resume_InnerPause_LeavesTheMachinePaused()
    {
        using GuestBoard guest = new("translator", ChecksumGuest.Assemble());
        guest.Board.Start();
        guest.Board.Pause();
        Assert.Equal(TimeSpan.Zero, guest.Board.Pause());

        Assert.Equal(TimeSpan.Zero, guest.Board.Resume());
        long time = guest.Board.Clock.Now;
        await Task.Delay(1);
        Assert.Equal(time, guest.Board.Clock.Now);
        guest.Board.Resume();

        await FinishAsync(guest);
    }

    [Fact]
    public async Task SwitchEngine_WhilePaused_ChangesTheEngineAndStaysPaused()
    {
        using GuestBoard guest = new("interpreter", ChecksumGuest.Assemble());
        guest.Board.Start();
        await Task.Delay(Turn);
        guest.Board.Pause();

        guest.Board.SwitchEngine(EngineRegistry.Find("translator")!);
        long time = guest.Board.Clock.Now;
        await Task.Delay(1);

        Assert.Equal(("translator", time), (guest.Board.Engine.Name, guest.Board.Clock.Now));
        guest.Board.Resume();
        await FinishAsync(guest);
    }

    [Fact]
    public async Task Stop_WhilePaused_EndsTheMachine()
    {
        using GuestBoard guest = new("translator", ChecksumGuest.Assemble());
        guest.Board.Start();
        guest.Board.Pause();

        guest.Board.Stop();

        Assert.Equal(MachineExitReason.Stopped, (await guest.WaitForExitAsync()).Reason);
        Assert.Throws<InvalidOperationException>(() => guest.Board.SwitchEngine(EngineRegistry.Interpreter));
    }

    [Fact]
    public async Task Pause_MachineThatHasEnded_IsRefused()
    {
        using GuestBoard guest = new("interpreter", ChecksumGuest.Assemble());
        guest.Board.Start();
        await FinishAsync(guest);

        Assert.Throws<InvalidOperationException>(() => guest.Board.Pause());
    }

    [Fact]
    public void SaveState_RunningMachine_IsRefused()
    {
        using GuestBoard guest = new("interpreter", ChecksumGuest.Assemble());

        Assert.Throws<InvalidOperationException>(() => guest.Board.SaveState());
        Assert.Throws<InvalidOperationException>(() => guest.Board.LoadState([]));
        Assert.Throws<InvalidOperationException>(() => guest.Board.Resume());
    }

    [Fact]
    public void LoadState_OfAMachineWithMoreProcessors_NamesWhatIsTooMuch()
    {
        using GuestBoard large = new("interpreter", ChecksumGuest.Assemble(), processors: 2);
        using GuestBoard small = new("interpreter", ChecksumGuest.Assemble());
        large.Board.Pause();
        small.Board.Pause();

        StateException error = Assert.Throws<StateException>(() => small.Board.LoadState(large.Board.SaveState()));

        Assert.Contains("vcpu1", error.Message, StringComparison.Ordinal);
    }

    private static uint CountInterrupts(GuestBoard guest) => (uint)guest.Board.Memory.Read(ChecksumGuest.Count, AccessWidth.Dword);

    private static Task WaitForInterruptsAsync(GuestBoard guest, uint count) =>
        GuestBoard.WaitUntilAsync(() => CountInterrupts(guest) >= count);

    /// <summary>Ends the guest, which has checked itself all the time, and checks what it prints.</summary>
    private static async Task FinishAsync(GuestBoard guest)
    {
        Assert.Equal(1, guest.Board.WriteSerial("."u8));
        MachineExit exit = await guest.WaitForExitAsync();
        Assert.Equal((MachineExitReason.DebugExit, 1), (exit.Reason, exit.Code));
        uint[] words = [.. guest.Printed.TrimEnd('.').Split(' ').Select(
            word => uint.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
        Assert.Equal(ChecksumGuest.After(words[0]), words[1]);
    }
}
