using Strata.Core.Bus;
using Strata.Machines.Boards;

namespace Strata.Machines.Tests.Acpi;

/// <summary>Microsoft, <i>Virtual Machine Generation ID</i>: where a guest finds it, and how it is told.</summary>
public sealed class GenerationIdTests
{
    private static readonly Guid Another = new("0f2a5f0e-3f2a-4e7b-9f43-7d6c0c4b9d11");

    [Fact]
    public void Dsdt_AddressOfTheDevice_HoldsTheId()
    {
        using AcpiBoard board = new();
        int name = board.Dsdt.AsSpan().IndexOf("ADDR"u8);
        Assert.Equal(0x0C, board.Dsdt[name + 7]); // DWordPrefix, behind PackageOp, its length and two elements
        ulong address = AcpiBoard.Field32(board.Dsdt, name + 8);

        board.Board.RenewGeneration(Another);

        byte[] id = [.. Enumerable.Range(0, 2).SelectMany(
            i => BitConverter.GetBytes(board.Board.Memory.Read(address + ((ulong)i * 8), AccessWidth.Qword)))];
        Assert.Equal(Another, new Guid(id));
        Assert.Equal(0UL, address % 8);
    }

    [Fact]
    public void RenewGeneration_OfAGuestThatListens_RaisesItsEvent()
    {
        using AcpiBoard board = new();
        uint block = AcpiBoard.Field32(board.Fadt, 80); // GPE0_BLK
        board.WritePort(block + 2, AccessWidth.Word, 1);

        board.Board.RenewGeneration(Another);

        Assert.Equal(1u, board.ReadPort(block, AccessWidth.Word) & 0xFFFF);
        Assert.True(board.Board.Inspect().InterruptPins[AcpiBoard.Field16(board.Fadt, 46)].IsHigh); // SCI_INT
    }

    [Fact]
    public void Reset_OfTheMachine_KeepsTheId()
    {
        using AcpiBoard board = new();
        board.Board.RenewGeneration(Another);

        board.Board.Reset();
        board.Board.ServeReset();

        Assert.Equal(Another, board.Board.GenerationId);
    }
}
