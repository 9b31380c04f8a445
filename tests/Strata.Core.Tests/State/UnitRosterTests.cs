using Strata.Core.State;

namespace Strata.Core.Tests.State;

public sealed class UnitRosterTests
{
    private readonly UnitRoster _roster = new();
    private readonly Counter _first = new("a");
    private readonly Counter _second = new("b");

    public UnitRosterTests()
    {
        _roster.Add(_first);
        _roster.Add(_second);
    }

    [Fact]
    public void Contract_OfASimpleUnit_Holds()
    {
        _first.LoadState(new CounterState { Value = 5, Steps = [1, 2] });

        UnitContract.Check(_first);
    }

    [Fact]
    public void Add_SameName_IsRefused() => Assert.Throws<ArgumentException>(() => _roster.Add(new Counter("b")));

    [Fact]
    public void Load_WhatWasSaved_ComesBack()
    {
        _first.LoadState(new CounterState { Value = 1, Steps = [] });
        _second.LoadState(new CounterState { Value = 2, Steps = [7] });
        IReadOnlyList<UnitRecord> saved = _roster.Save();
        _roster.Reset();

        _roster.Load(saved);

        Assert.Equal(1, _first.SaveState().Value);
        Assert.Equal(2, _second.SaveState().Value);
        Assert.Equal([7], _second.SaveState().Steps);
    }

    [Fact]
    public void Reset_AllButOne_KeepsIt()
    {
        _first.LoadState(new CounterState { Value = 1, Steps = [] });
        _second.LoadState(new CounterState { Value = 2, Steps = [7] });

        _roster.Reset(kept: _second);

        Assert.Equal(0, _first.SaveState().Value);
        Assert.Equal(2, _second.SaveState().Value);
    }

    [Fact]
    public void Load_RecordMissing_IsRefusedByName()
    {
        List<UnitRecord> saved = [.. _roster.Save()];
        saved.RemoveAt(1);

        Assert.Contains(" b,", Assert.Throws<StateException>(() => _roster.Load(saved)).Message, StringComparison.Ordinal);
    }

    /// <summary>Of a machine that was saved before boards had the unit.</summary>
    [Fact]
    public void Load_RecordOfAYoungerUnitMissing_ResetsTheUnit()
    {
        IReadOnlyList<UnitRecord> saved = _roster.Save();
        Counter young = new("c") { MayBeAbsent = true };
        _roster.Add(young);
        young.LoadState(new CounterState { Value = 3, Steps = [] });

        _roster.Load(saved);

        Assert.Equal(0, young.SaveState().Value);
    }

    [Fact]
    public void Load_RecordOfAYoungerUnitThere_IsLoaded()
    {
        Counter young = new("c") { MayBeAbsent = true };
        _roster.Add(young);
        young.LoadState(new CounterState { Value = 3, Steps = [] });
        IReadOnlyList<UnitRecord> saved = _roster.Save();
        young.Reset();

        _roster.Load(saved);

        Assert.Equal(3, young.SaveState().Value);
    }

    [Fact]
    public void Load_UnknownRecord_IsRefusedByName()
    {
        List<UnitRecord> saved = [.. _roster.Save(), new UnitRecord("floppy", new byte[4])];

        Assert.Contains("floppy", Assert.Throws<StateException>(() => _roster.Load(saved)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_BytesBehindARecord_AreRefused()
    {
        List<UnitRecord> saved = [.. _roster.Save()];
        saved[0] = new UnitRecord("a", (byte[])[.. _roster.Save()[0].Bytes.Span, 0]);

        Assert.Throws<StateException>(() => _roster.Load(saved));
    }

    [Fact]
    public void Quiesce_GoesFromTheLastToTheFirst()
    {
        List<string> order = [];
        _first.OnQuiesce = _second.OnQuiesce = order.Add;

        _roster.Quiesce();

        Assert.Equal(["b", "a"], order);
    }

    private sealed class CounterState : IStateRecord<CounterState>
    {
        public static ushort Version => 1;

        public required long Value { get; set; }

        public required int[] Steps { get; set; }

        public static CounterState Read(StateReader reader, ushort version) => new()
        {
            Value = reader.Read<long>(nameof(Value), 0, 100),
            Steps = reader.ReadArray<int>(nameof(Steps), 10),
        };

        public void Write(StateWriter writer)
        {
            writer.Write(Value);
            writer.WriteArray<int>(Steps);
        }
    }

    private sealed class Counter(string name) : IUnit<CounterState>
    {
        private CounterState _state = new() { Value = 0, Steps = [] };

        public Action<string> OnQuiesce { get; set; } = _ => { };

        public string UnitName => name;

        public bool MayBeAbsent { get; init; }

        public void Reset() => _state = new CounterState { Value = 0, Steps = [] };

        public void Quiesce() => OnQuiesce(name);

        public CounterState SaveState() => new() { Value = _state.Value, Steps = _state.Steps };

        public void LoadState(CounterState state) => _state = state;
    }
}
