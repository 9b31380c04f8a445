using System.Reflection;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Virtio.Balloon;
using Strata.Virtio.Block;
using Strata.Virtio.Console;
using Strata.Virtio.Entropy;
using Strata.Virtio.Queue;
using Strata.Virtio.Tests.Harness;
using Strata.Virtio.Transport;

namespace Strata.Virtio.Tests.State;

/// <summary>Every virtio unit keeps the contract of units.</summary>
public sealed class DeviceContractTests
{
    [Fact]
    public void Transport()
    {
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));
        driver.Start(VirtioDriver.Version1 | VirtioDriver.EventIndex);
        driver.EnableMsix();

        UnitContract.Check(driver.Function.Transport, (property, old) => property.Name switch
        {
            nameof(VirtioTransportState.Queues) => OtherQueues((IReadOnlyList<VirtQueueState>)old!),
            nameof(VirtioTransportState.ConfigurationVector) => (ushort)0,
            nameof(VirtioTransportState.DriverFeatures) => VirtioDriver.Version1,
            _ => null,
        });
    }

    /// <summary>A guest that sleeps has reset its devices, and is known by having had them.</summary>
    [Fact]
    public void Transport_DriverThatHasLetGo_IsRememberedToTheResetOfTheMachine()
    {
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));
        Assert.False(driver.Function.HadDriver);
        driver.Start();
        Assert.True(driver.Function.HasDriver);

        driver.WriteCommon(0x14, AccessWidth.Byte, 0); // device_status
        VirtioTransportState state = driver.Function.Transport.SaveState();
        Assert.Equal((false, true, true), (driver.Function.HasDriver, driver.Function.HadDriver, state.HadDriver));

        driver.Function.Transport.Reset();
        Assert.False(driver.Function.HadDriver);
    }

    [Fact]
    public void Transport_RecordOfVersion1_HadTheDriverThatItHas()
    {
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));
        driver.Start();
        StateWriter writer = new();
        driver.Function.Transport.SaveState().Write(writer);
        byte[] fields = writer.ToArray();

        VirtioTransportState state = VirtioTransportState.Read(new StateReader(fields.AsMemory(0, fields.Length - 1), "q"), version: 1);

        Assert.True(state.HadDriver);
    }

    [Fact]
    public void Transport_EachFieldOfAQueue_ComesBack()
    {
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));
        VirtioTransportState state = driver.Function.Transport.SaveState();
        state.Queues = OtherQueues(state.Queues);

        driver.Function.Transport.LoadState(state);

        VirtQueueState expected = state.Queues[0];
        VirtQueueState found = driver.Function.Transport.SaveState().Queues[0];
        Assert.All(
            typeof(VirtQueueState).GetProperties(BindingFlags.Public | BindingFlags.Instance),
            property => Assert.Equal(property.GetValue(expected), property.GetValue(found)));
    }

    [Fact]
    public void Function_OfADevice()
    {
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));
        driver.Start();
        driver.EnableMsix();
        StateWriter writer = new();
        driver.Roster.Units[2].Save(writer);

        driver.Roster.Units[2].Load(new StateReader(writer.ToArray(), "pci/01.0"));

        StateWriter again = new();
        driver.Roster.Units[2].Save(again);
        Assert.Equal("pci/01.0", driver.Roster.Units[2].UnitName);
        Assert.Equal(writer.ToArray(), again.ToArray());
    }

    [Fact]
    public void Names_OfAFunctionsUnits_BeginWithItsPlace()
    {
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));

        Assert.Equal(
            ["pci", "pci/00.0", "pci/01.0", "pci/01.0/virtio", "pci/01.0/entropy"],
            driver.Roster.Units.Select(unit => unit.UnitName));
    }

    [Fact]
    public void Block()
    {
        using MemoryDisk disk = new(16);
        using VirtioDriver driver = new(memory => new VirtioBlock(memory, disk, "serial"));
        driver.Start(VirtioDriver.Version1 | BlockDriver.FeatureFlush | BlockDriver.FeatureConfigWce);

        Check<VirtioBlockState>(driver, (property, _) => property.Name == nameof(VirtioBlockState.Sectors) ? 16L : null);
    }

    [Fact]
    public void Console()
    {
        using VirtioDriver driver = new(memory => new VirtioConsole(memory, _ => { }));
        IUnit<VirtioConsoleState> unit = (IUnit<VirtioConsoleState>)driver.Roster.Units[^1];
        unit.LoadState(new VirtioConsoleState { IsOpen = true, Messages = [0x0001_0001, 0x0006_0001], Input = [1, 2, 3] });

        Check<VirtioConsoleState>(driver);
    }

    [Fact]
    public void Entropy()
    {
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));

        Check<VirtioEntropyState>(driver);
    }

    [Fact]
    public void Balloon()
    {
        VirtioBalloon? balloon = null;
        using VirtioDriver driver = new(memory => balloon = new VirtioBalloon(memory));
        balloon!.WantedBytes = 40 << 12;
        driver.WriteDevice(4, AccessWidth.Dword, 7);

        Check<VirtioBalloonState>(driver);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(512)]
    public void Queue_SizeThatADriverCannotSet_IsRefused(ushort size)
    {
        VirtQueueState state = new VirtQueue(new AddressSpace()).SaveState();
        state.Size = size;
        StateWriter writer = new();
        writer.WriteRecord(state);

        StateException error = Assert.Throws<StateException>(() => new StateReader(writer.ToArray(), "q").ReadRecord<VirtQueueState>());

        Assert.Contains("Size", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Transport_VectorOrQueuesThatAreNotThere_AreRefused()
    {
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));
        VirtioTransportState vector = driver.Function.Transport.SaveState();
        vector.Queues[0].Vector = 2;
        VirtioTransportState configuration = driver.Function.Transport.SaveState();
        configuration.ConfigurationVector = 2;
        VirtioTransportState more = driver.Function.Transport.SaveState();
        more.Queues = [more.Queues[0], more.Queues[0]];

        Assert.All([vector, configuration, more], state => Assert.Throws<StateException>(() => driver.Function.Transport.LoadState(state)));
    }

    /// <summary>
    /// Rings anywhere, and indexes that contradict them: the device breaks the queue or waits, as with a driver that does this.
    /// </summary>
    [Fact]
    public void Transport_AnyRecordThatIsAccepted_IsHarmless()
    {
        Random random = new(5);
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));
        driver.Start();
        for (int i = 0; i < 2000; i++)
        {
            driver.Roster.Quiesce();
            VirtioTransportState state = driver.Function.Transport.SaveState();
            VirtQueueState queue = state.Queues[0];
            state.Status = (byte)random.Next(256);
            state.DriverFeatures = VirtioDriver.Version1 | (random.Next(2) == 0 ? 0 : VirtioDriver.EventIndex);
            queue.Size = (ushort)(1 << random.Next(9));
            queue.DescriptorTable = Place(random);
            queue.AvailableRing = Place(random);
            queue.UsedRing = Place(random);
            queue.IsEnabled = true;
            queue.TakenIndex = (ushort)random.Next();
            queue.UsedIndex = (ushort)random.Next();
            queue.BrokenReason = "";
            driver.Function.Transport.LoadState(state);
            driver.Roster.Resume();
        }

        driver.Status = 0;
        DriverRing ring = driver.Start();
        ring.Describe(0, 0x9_0000, 16, DriverRing.Write);
        ring.Offer(0);
        driver.Notify();
        VirtioDriver.WaitUntil(() => ring.UsedIndex == 1, "a request behind it");
    }

    private static ulong Place(Random random) => random.Next(4) switch
    {
        0 => (ulong)random.NextInt64(),
        1 => ulong.MaxValue - (ulong)random.Next(64),
        2 => VirtioDriver.RamSize - (ulong)random.Next(64),
        _ => (ulong)random.Next((int)VirtioDriver.RamSize),
    };

    private static VirtQueueState[] OtherQueues(IReadOnlyList<VirtQueueState> queues) =>
    [
        .. queues.Select(_ => new VirtQueueState
        {
            Size = 8,
            IsEnabled = true,
            DescriptorTable = 0x1111_0000_0000,
            AvailableRing = 0x2222_0000_0000,
            UsedRing = 0x3333_0000_0000,
            Vector = 1,
            UsesEventIndex = true,
            TakenIndex = 4,
            UsedIndex = 3,
            SignalledIndex = 2,
            BrokenReason = "a reason",
        }),
    ];

    private static void Check<TState>(VirtioDriver driver, Func<PropertyInfo, object?, object?>? valueFor = null)
        where TState : IStateRecord<TState> =>
        UnitContract.Check((IUnit<TState>)driver.Roster.Units[^1], valueFor);
}
