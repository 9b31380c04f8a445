using System.Reflection;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Devices.Pci;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Pci;

/// <summary>The PCI bus and its functions as units of state.</summary>
public sealed class PciStateTests
{
    private const int Slot = 3;
    private const int Command = 0x04;
    private const int Bar0 = 0x10;
    private const int Bar1 = 0x14;
    private const ulong Place = 0xE000_0000;
    private const ulong TablePlace = 0xE001_0000;

    private readonly Computer _saved = new();
    private readonly Computer _other = new();

    [Fact]
    public void Contract_OfTheBus_Holds()
    {
        _saved.Bus.WritePort(0, AccessWidth.Dword, 0x8000_1810);

        UnitContract.Check<PciBusState>(_saved.Bus, (_, _) => 0x8000_1914U);
    }

    [Fact]
    public void Contract_OfAFunction_Holds()
    {
        SetUp(_saved.Function);

        UnitContract.Check<PciFunctionState>(_saved.Function, (property, old) => property.Name switch
        {
            nameof(PciFunctionState.Config) => WithInterruptLine((byte[])old!, 9),
            nameof(PciFunctionState.Msix) => WithLastWordUnmasked((MsixState)old!),
            _ => null,
        });
    }

    [Fact]
    public void UnitName_Place_IsInIt()
    {
        _saved.Bus.Plug(31, new TestFunction());
        _saved.Bus.Plug(31, new TestFunction(), 7);

        Assert.Equal(["pci", "pci/00.0", "pci/03.0", "pci/1f.0", "pci/1f.7"], _saved.Bus.Units.Select(unit => unit.UnitName));
    }

    [Fact]
    public void Load_Bars_AreMappedWhereTheyWere()
    {
        SetUp(_saved.Function);

        Move();

        Assert.Equal(0x1234UL, _other.Memory.Read(Place + 0x1234, AccessWidth.Word));
        Assert.Equal(0xFEE0_1000UL, _other.Memory.Read(TablePlace, AccessWidth.Dword));
        Assert.True(_other.Function.IsBusMaster);
    }

    [Fact]
    public void Load_OverOtherPlaces_LeavesThem()
    {
        SetUp(_saved.Function);
        SetUp(_other.Function);
        _other.Function.WriteConfig(Bar0, AccessWidth.Dword, 0xE100_0000);

        Move();

        Assert.True(_other.Memory.IsFree(0xE100_0000, TestFunction.BarSize));
        Assert.Equal(0x1234UL, _other.Memory.Read(Place + 0x1234, AccessWidth.Word));
    }

    [Fact]
    public void Load_PlacesExchangedBetweenFunctions_AreRightAfterResume()
    {
        (TestFunction first, TestFunction second) = (new TestFunction(), new TestFunction());
        _saved.Bus.Plug(4, first);
        _saved.Bus.Plug(5, second);
        MapAt(first, Place);
        MapAt(second, 0xE100_0000);
        (PciFunctionState firstState, PciFunctionState secondState) = (first.SaveState(), second.SaveState());
        MapAt(second, 0xE200_0000);
        MapAt(first, 0xE100_0000);
        MapAt(second, Place);

        first.LoadState(firstState);
        second.LoadState(secondState);
        first.Resume();
        second.Resume();

        Assert.Equal(
            [Place, 0xE100_0000UL], ((PciFunction[])[first, second]).Select(function => function.Inspect().Bars[0].Address!.Value));
    }

    [Fact]
    public void Load_PendingVector_IsSentOnceWhenTheGuestUnmasksIt()
    {
        SetUp(_saved.Function);
        _saved.Function.Msix!.Signal(1);

        Move();

        Assert.Empty(_other.Msi.Messages);
        _other.Memory.Write(TablePlace + 28, AccessWidth.Dword, 0);
        Assert.Equal([(0xFEE0_1000UL, 0x41U)], _other.Msi.Messages);
    }

    [Fact]
    public void Load_RaisedLine_MakesNoEdgeAndFallsLater()
    {
        _saved.Function.Interrupt(true);

        Move();

        Assert.Empty(_other.Links.Levels); // the controller has the level in its own record
        Assert.Equal(8U, _other.Function.ReadConfig(6, AccessWidth.Word) & 8);
        _other.Function.Interrupt(false);
        Assert.Equal([(Slot, false)], _other.Links.Levels);
    }

    [Fact]
    public void Load_AnotherDevice_IsRefusedByName()
    {
        PciFunctionState state = _saved.Function.SaveState();
        state.Config[2] = 0x79;

        StateException error = Assert.Throws<StateException>(() => _other.Function.LoadState(state));

        Assert.Contains("pci/03.0", error.Message, StringComparison.Ordinal);
        Assert.Contains("1234:5679", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_TableOfAnotherSize_IsRefused()
    {
        PciFunctionState state = _saved.Function.SaveState();
        state.Msix!.Table = new uint[4];

        Assert.Throws<StateException>(() => _other.Function.LoadState(state));
        state.Msix = null;
        Assert.Throws<StateException>(() => _other.Function.LoadState(state));
    }

    [Fact]
    public void Load_PendingBitWithoutVector_IsRefused()
    {
        PciFunctionState state = _saved.Function.SaveState();
        state.Msix!.Pending[0] = 1UL << TestFunction.Vectors;

        Assert.Throws<StateException>(() => _other.Function.LoadState(state));
    }

    [Fact]
    public void Reset_Function_IsAsPluggedIn()
    {
        SetUp(_saved.Function);
        _saved.Function.Msix!.Signal(1);
        _saved.Function.Interrupt(true);
        StateWriter fresh = new();
        ((IUnit)_other.Function).Save(fresh);

        _saved.Function.Reset();

        StateWriter reset = new();
        ((IUnit)_saved.Function).Save(reset);
        Assert.Equal(fresh.ToArray(), reset.ToArray());
        Assert.True(_saved.Memory.IsFree(Place, 0x2_0000));
        Assert.False(_saved.Links.Levels.LastOrDefault().High);
    }

    private static void SetUp(TestFunction function)
    {
        function.WriteConfig(Bar0, AccessWidth.Dword, (uint)Place);
        function.WriteConfig(Bar1, AccessWidth.Dword, (uint)TablePlace);
        function.WriteConfig(Command, AccessWidth.Word, 6);
        function.WriteConfig(0x3C, AccessWidth.Byte, 11);
        function.WriteConfig(function.VendorCapability + 2, AccessWidth.Dword, 0xA500_5000);
        for (ulong vector = 0; vector < TestFunction.Vectors; vector++)
        {
            function.Msix!.WriteMmio(vector * 16, AccessWidth.Qword, 0xFEE0_1000);
            function.Msix.WriteMmio((vector * 16) + 8, AccessWidth.Qword, (1UL << 32) | (0x40 + vector));
        }

        function.WriteConfig(MsixCapability(function) + 2, AccessWidth.Word, 0x8000);
    }

    private static int MsixCapability(TestFunction function) => (int)function.ReadConfig(function.VendorCapability + 1, AccessWidth.Byte);

    private static void MapAt(TestFunction function, ulong place)
    {
        function.WriteConfig(Bar0, AccessWidth.Dword, (uint)place);
        function.WriteConfig(Command, AccessWidth.Word, 2);
    }

    private static byte[] WithInterruptLine(byte[] config, byte line)
    {
        byte[] copy = [.. config];
        copy[0x3C] = line;
        return copy;
    }

    private static MsixState WithLastWordUnmasked(MsixState state) => new() { Table = [.. state.Table[..^1], 0], Pending = [5] };

    private void Move()
    {
        StateWriter writer = new();
        ((IUnit)_saved.Function).Save(writer);
        ((IUnit)_other.Function).Load(new StateReader(writer.ToArray(), "pci/03.0"));
    }

    private sealed class Computer
    {
        public Computer()
        {
            Bus = new PciBus(Memory, Msi, link => Links.Line(link));
            Bus.Plug(Slot, Function);
        }

        public AddressSpace Memory { get; } = new();

        public RecordingSink Links { get; } = new();

        public RecordingSink Msi { get; } = new();

        public PciBus Bus { get; }

        public TestFunction Function { get; } = new();
    }
}
