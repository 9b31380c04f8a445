using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Networking;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Core.Time;
using Strata.Devices.Network;
using Strata.Devices.Pci;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Network;

/// <summary>Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453).</summary>
public sealed class E1000Tests : IDisposable
{
    private const ulong Registers = 0xE000_0000;
    private const ulong ReceiveRing = 0x1_0000;
    private const ulong TransmitRing = 0x1_1000;
    private const ulong Buffers = 0x10_0000;
    private const int RingSize = 8;
    private const int Ctrl = 0x0000;
    private const int Status = 0x0008;
    private const int Eecd = 0x0010;
    private const int Eerd = 0x0014;
    private const int Mdic = 0x0020;
    private const int Icr = 0x00C0;
    private const int Itr = 0x00C4;
    private const int Ims = 0x00D0;
    private const int Rctl = 0x0100;
    private const int Rdh = 0x2810;
    private const int Rdt = 0x2818;
    private const int Tdh = 0x3810;
    private const int Tdt = 0x3818;
    private static readonly byte[] Mac = [0x52, 0x54, 0, 1, 2, 3];

    private readonly GuestMemory _ram = new(4 << 20);
    private readonly AddressSpace _memory = new();
    private readonly RecordingSink _sink = new();
    private readonly RecordingNetwork _network = new();
    private readonly ManualClock _clock = new();
    private readonly E1000 _card;
    private int _tail;

    public E1000Tests()
    {
        _memory.MapRam(0, _ram, 0, _ram.Size);
        _card = Create(_network);
        _clock.Advance(1_000_000);
    }

    private bool IsLineHigh => _sink.Levels.LastOrDefault().High;

    public void Dispose()
    {
        _card.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void Eeprom_ByBothInterfaces_HasAddressAndSum()
    {
        ushort[] words = [.. Enumerable.Range(0, 64).Select(ReadEeprom)];

        Assert.Equal(0xBABA, (ushort)words.Sum(word => word));
        Assert.Equal([0x5452, 0x0100, 0x0302], words[..3].Select(word => (int)word));
        Assert.Equal(words[..16], Enumerable.Range(0, 16).Select(ReadMicrowire));
    }

    [Fact]
    public void Transceiver_Read_HasItsIdentifierAndTheLink()
    {
        Assert.Equal(0x0141, ReadTransceiver(2));
        Assert.Equal(0x0024, ReadTransceiver(1) & 0x24);
        _card.IsLinkUp = false;
        Assert.Equal(0, ReadTransceiver(1) & 0x24);
        Write(Mdic, (2 << 26) | (5 << 21));
        Assert.NotEqual(0u, Read(Mdic) & (1 << 30)); // no such transceiver
    }

    [Fact]
    public void Link_Cut_InterruptsAndShows()
    {
        Start();
        Assert.Equal(2u, Read(Status) & 2);

        _card.SetCarrier(false);

        Assert.True(IsLineHigh);
        Assert.Equal(0x8000_0004u, Read(Icr));
        Assert.False(IsLineHigh); // a read clears the causes
        Assert.Equal(0u, Read(Status) & 2);
        Assert.True(_card.IsLinkUp); // the cable is in
    }

    [Fact]
    public void Transmit_LegacyDescriptors_SendOneFrame()
    {
        Start();
        Describe(0, 10, 0);
        Describe(10, 60, 0x0B, at: 1); // EOP, IFCS, RS

        Ring();

        Assert.Equal(Bytes(Buffers, 70), Assert.Single(_network.Sent));
        Assert.Equal(2u, Read(Tdh));
        Assert.Equal(1, Bytes(TransmitRing + 16 + 12, 1)[0] & 1);
        Assert.Equal(0x8000_0003u, Read(Icr));
    }

    [Fact]
    public void Transmit_LegacyChecksum_IsInserted()
    {
        Start();
        byte[] frame = new byte[64];
        (frame[20], frame[21], frame[22], frame[23]) = (0x12, 0x34, 0xFF, 0x00);
        _memory.TryWriteBytes(Buffers, frame);
        byte[] descriptor = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, Buffers);
        (descriptor[8], descriptor[10], descriptor[11], descriptor[13]) = (64, 40, 0x0D, 20);
        _memory.TryWriteBytes(TransmitRing, descriptor);
        _tail = 1;

        Ring();

        byte[] sent = Assert.Single(_network.Sent);
        Assert.Equal(0xEECA, BinaryPrimitives.ReadUInt16BigEndian(sent.AsSpan(40)));
    }

    [Fact]
    public void Transmit_Segmented_CutsTheSegmentWithRightHeaders()
    {
        Start();
        byte[] packet = TcpPacket(payload: 2500);
        _memory.TryWriteBytes(Buffers, packet);
        DescribeContext(segmentSize: 1000);
        DescribeData((uint)packet.Length, command: 0x2F, options: 3); // DEXT, RS, TSE, IFCS, EOP

        Ring();

        Assert.Equal([1054, 1054, 554], _network.Sent.Select(frame => frame.Length));
        for (int i = 0; i < 3; i++)
        {
            byte[] frame = _network.Sent[i];
            Assert.Equal(frame.Length - 14, BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(16)));
            Assert.Equal(0x0100 + i, BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(18)));
            Assert.Equal(7000u + (uint)(i * 1000), BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(38)));
            Assert.Equal(i == 2 ? 0x18 : 0x10, frame[47]);
            Assert.Equal(0xFFFF, Sum(frame.AsSpan(14, 20), 0));
            Assert.Equal(0xFFFF, Sum(frame.AsSpan(34), Sum(frame.AsSpan(26, 8), 6u + (uint)(frame.Length - 34))));
        }

        Assert.Equal(packet[54..], _network.Sent.SelectMany(frame => frame[54..]));
    }

    [Fact]
    public void Transmit_VlanTag_IsInserted()
    {
        Start();
        Write(Ctrl, Read(Ctrl) | (1 << 30));
        byte[] descriptor = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, Buffers);
        (descriptor[8], descriptor[11], descriptor[14], descriptor[15]) = (60, 0x4B, 0x07, 0x20);
        _memory.TryWriteBytes(TransmitRing, descriptor);
        _tail = 1;

        Ring();

        Assert.Equal([0x81, 0x00, 0x20, 0x07], Assert.Single(_network.Sent)[12..16]);
    }

    [Fact]
    public void Receive_FrameForTheCard_FillsADescriptorAndInterrupts()
    {
        Start();

        Assert.True(Receive([.. Mac, .. new byte[60]]));

        byte[] descriptor = Bytes(ReceiveRing, 16);
        Assert.Equal(66 + 4, BinaryPrimitives.ReadUInt16LittleEndian(descriptor.AsSpan(8)));
        Assert.Equal(7, descriptor[12]); // DD, EOP, IXSM
        Assert.Equal(Mac, Bytes(Buffers, 6));
        Assert.Equal(1u, Read(Rdh));
        Assert.True(IsLineHigh);
        Assert.Equal(0x80u, Read(Icr) & 0x80);
        Assert.Equal(1u, Read(0x4074)); // GPRC, read once
        Assert.Equal(0u, Read(0x4074));
    }

    [Fact]
    public void Receive_StrippingTheCheckSequence_HasTheFrameOnly()
    {
        Start(control: 1 << 26);

        Receive([.. Mac, .. new byte[60]]);

        Assert.Equal(66, BinaryPrimitives.ReadUInt16LittleEndian(Bytes(ReceiveRing + 8, 2)));
    }

    [Fact]
    public void Receive_ShortFrame_IsPadded()
    {
        Start(control: 1 << 26);

        Receive([.. Mac, .. new byte[20]]);

        Assert.Equal(60, BinaryPrimitives.ReadUInt16LittleEndian(Bytes(ReceiveRing + 8, 2)));
    }

    [Theory]
    [InlineData(0u, false, false, false)]
    [InlineData(1u << 15, true, false, false)] // BAM
    [InlineData(1u << 3, false, true, false)]  // UPE
    [InlineData(1u << 4, true, false, true)]   // MPE
    public void Receive_Filters_TakeWhatTheyMust(uint control, bool broadcast, bool foreign, bool multicast)
    {
        Start(control);

        Receive([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, .. new byte[60]]);
        Assert.Equal(broadcast ? 1u : 0, Read(Rdh));
        Write(Rdh, 0);
        Receive([0x52, 0x54, 0, 9, 9, 9, .. new byte[60]]);
        Assert.Equal(foreign ? 1u : 0, Read(Rdh));
        Write(Rdh, 0);
        Receive([0x01, 0x00, 0x5E, 0, 0, 1, .. new byte[60]]);
        Assert.Equal(multicast ? 1u : 0, Read(Rdh));
    }

    [Fact]
    public void Receive_MulticastInTheTable_IsTaken()
    {
        Start();
        int hash = ((0x34 | (0x12 << 8)) >> 4) & 0xFFF;
        Write(0x5200 + (hash / 32 * 4), 1u << (hash % 32));

        Receive([0x01, 0x00, 0x5E, 0, 0x34, 0x12, .. new byte[60]]);

        Assert.Equal(1u, Read(Rdh));
    }

    [Fact]
    public void Receive_LongerThanABuffer_TakesSeveral()
    {
        Start(control: 3 << 16); // 256 bytes

        Assert.True(Receive([.. Mac, .. new byte[594]]));

        Assert.Equal(3u, Read(Rdh));
        Assert.Equal([5, 5, 7], Enumerable.Range(0, 3).Select(i => (int)Bytes(ReceiveRing + ((ulong)i * 16) + 12, 1)[0]));
    }

    [Fact]
    public void Receive_RingFull_IsRefusedAndTheBackendResumed()
    {
        Start();
        for (int i = 0; i < RingSize - 1; i++)
        {
            Assert.True(Receive([.. Mac, .. new byte[60]]));
        }

        Assert.False(Receive([.. Mac, .. new byte[60]]));
        int resumes = _network.Resumes;
        Write(Rdt, 3);

        Assert.Equal(resumes + 1, _network.Resumes);
        Assert.True(Receive([.. Mac, .. new byte[60]]));
    }

    [Fact]
    public void Receive_WithoutReceiver_IsLost()
    {
        Assert.True(Receive([.. Mac, .. new byte[60]]));

        Assert.Equal(0u, Read(Icr));
    }

    [Fact]
    public void Throttle_Set_HoldsTheNextInterruptBack()
    {
        Start();
        Write(Itr, 1000); // 256 µs
        Receive([.. Mac, .. new byte[60]]);
        Assert.True(IsLineHigh);
        Read(Icr);

        Receive([.. Mac, .. new byte[60]]);

        Assert.False(IsLineHigh);
        _clock.Advance(256_000);
        Assert.True(IsLineHigh);
    }

    [Fact]
    public void Reset_ByTheControlRegister_ForgetsAllButTheAddress()
    {
        Start();

        Write(Ctrl, 1 << 26);

        Assert.Equal((0u, 0u, 0u), (Read(Rctl), Read(Ims), Read(Rdt)));
        Assert.Equal(0x0100_5452u, Read(0x5400));
        Assert.Equal(0u, Read(Ctrl) & (1 << 26));
    }

    [Fact]
    public void Ports_Window_ReachesRegisters()
    {
        _card.WritePort(0, AccessWidth.Dword, 0x5400);

        Assert.Equal(0x0100_5452u, _card.ReadPort(4, AccessWidth.Dword));
    }

    [Fact]
    public void Contract_InUse_Holds()
    {
        Start();
        Describe(0, 30, 0); // a packet that has begun
        Ring();
        IUnit<E1000State> unit = (IUnit<E1000State>)_card.Units.Last();

        UnitContract.Check(unit, (property, _) => property.Name switch
        {
            nameof(E1000State.LegacyPlace) => (short)7,
            nameof(E1000State.Tag) => 5,
            _ => null,
        });
    }

    [Fact]
    public void Load_InTheMiddleOfAPacket_SendsItWhole()
    {
        Start();
        Describe(0, 30, 0);
        Ring();
        RecordingNetwork network = new();
        using E1000 other = Create(network, 0xE100_0000);
        PciFunctionState function = _card.SaveState();

        ((IUnit<E1000State>)other.Units.Last()).LoadState(((IUnit<E1000State>)_card.Units.Last()).SaveState());
        other.Units.Last().Resume();
        Assert.NotNull(function);
        Describe(30, 40, 0x0B, at: 1);
        _memory.Write(0xE100_0000 + Tdt, AccessWidth.Dword, 2);

        Assert.Equal(Bytes(Buffers, 70), Assert.Single(network.Sent));
    }

    [Fact]
    public void Quiesced_Card_RefusesFramesUntilItGoesOn()
    {
        Start();
        IUnit unit = _card.Units.Last();
        unit.Quiesce();
        Assert.False(Receive([.. Mac, .. new byte[60]]));

        unit.Resume();

        Assert.True(_network.Resumes > 0);
        Assert.True(Receive([.. Mac, .. new byte[60]]));
    }

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public void RandomRegistersAndDescriptors_OfAHostileGuest_AlwaysEnd(int seed)
    {
        Random random = new(seed);
        int[] registers = [
            Ctrl, Eecd, Eerd, Mdic, Icr, Itr, 0xC8, Ims, 0xD8, Rctl, 0x400, 0x2800, 0x2808, Rdh, Rdt, 0x3800, 0x3808, Tdh, Tdt, 0x5000,
            0x5400];
        byte[] noise = new byte[0x3000];
        Start();
        for (int i = 0; i < 5_000; i++)
        {
            if (random.Next(40) == 0)
            {
                random.NextBytes(noise);
                _memory.TryWriteBytes(ReceiveRing, noise);
            }

            if (random.Next(25) == 0)
            {
                Start((uint)random.Next());
            }

            int register = random.Next(8) == 0 ? random.Next(0x2_0000) & ~3 : registers[random.Next(registers.Length)];
            Write(register, (uint)random.NextInt64() >> random.Next(32));
            Read(register);
            Receive([.. Mac, .. new byte[random.Next(60, 3000)]]);
            _clock.Advance(random.Next(1000));
        }

        IUnit<E1000State> unit = (IUnit<E1000State>)_card.Units.Last();
        unit.LoadState(unit.SaveState());
        Assert.All(_network.Sent, frame => Assert.InRange(frame.Length, 14, 0x1_0000 + 300));
    }

    private static ushort Sum(ReadOnlySpan<byte> bytes, uint start)
    {
        uint sum = start;
        for (int i = 0; i < bytes.Length; i++)
        {
            sum += i % 2 == 0 ? (uint)bytes[i] << 8 : bytes[i];
        }

        while (sum >> 16 != 0)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)sum;
    }

    /// <summary>As Linux hands one over: no total length, and the sum of a pseudo header without one.</summary>
    private static byte[] TcpPacket(int payload)
    {
        byte[] packet = [.. new byte[54], .. Enumerable.Range(0, payload).Select(i => (byte)(i * 3))];
        (packet[12], packet[14], packet[18], packet[22], packet[23]) = (8, 0x45, 1, 64, 6);
        new byte[] { 10, 0, 2, 15, 10, 0, 2, 2 }.CopyTo(packet, 26);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(38), 7000);
        (packet[46], packet[47]) = (0x50, 0x18); // PSH, ACK
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(50), Sum(packet.AsSpan(26, 8), 6));
        return packet;
    }

    private E1000 Create(RecordingNetwork network, ulong registers = Registers)
    {
        E1000 card = new(_memory, network, Mac, _clock) { IsSynchronous = true };
        PciBus bus = new(_memory, _sink, _ => _sink.Line(3), new PortSpace());
        bus.Plug(4, card);
        card.WriteConfig(0x10, AccessWidth.Dword, (uint)registers);
        card.WriteConfig(0x04, AccessWidth.Word, 6);
        return card;
    }

    private uint Read(int register) => (uint)_memory.Read(Registers + (ulong)register, AccessWidth.Dword);

    private void Write(int register, uint value) => _memory.Write(Registers + (ulong)register, AccessWidth.Dword, value);

    private ushort ReadEeprom(int address)
    {
        Write(Eerd, 1 | ((uint)address << 8));
        Assert.Equal(0x10u, Read(Eerd) & 0x10);
        return (ushort)(Read(Eerd) >> 16);
    }

    /// <summary>Bit by bit, as drivers do.</summary>
    private ushort ReadMicrowire(int address)
    {
        Write(Eecd, 0x42);
        int command = (0b110 << 6) | address;
        for (int i = 8; i >= 0; i--)
        {
            uint bit = ((command >> i) & 1) != 0 ? 4u : 0;
            Write(Eecd, 0x42 | bit);
            Write(Eecd, 0x43 | bit);
            Write(Eecd, 0x42 | bit);
        }

        ushort word = 0;
        for (int i = 0; i < 16; i++)
        {
            Write(Eecd, 0x43);
            word = (ushort)((word << 1) | ((Read(Eecd) & 8) != 0 ? 1 : 0));
            Write(Eecd, 0x42);
        }

        Write(Eecd, 0);
        return word;
    }

    private ushort ReadTransceiver(int register)
    {
        Write(Mdic, (2 << 26) | (1 << 21) | ((uint)register << 16));
        Assert.NotEqual(0u, Read(Mdic) & (1 << 28));
        return (ushort)Read(Mdic);
    }

    /// <summary>Brings both directions up, with all interrupts.</summary>
    private void Start(uint control = 0)
    {
        for (int i = 0; i < RingSize; i++)
        {
            _memory.Write(ReceiveRing + ((ulong)i * 16), AccessWidth.Qword, Buffers + ((ulong)i * 2048));
        }

        Write(0x2800, (uint)ReceiveRing);
        Write(0x2804, 0);
        Write(0x2808, RingSize * 16);
        Write(Rdh, 0);
        Write(Rdt, RingSize - 1);
        Write(0x3800, (uint)TransmitRing);
        Write(0x3804, 0);
        Write(0x3808, RingSize * 16);
        Write(Tdh, 0);
        Write(Tdt, 0);
        Write(0x400, 2);
        Write(Rctl, control | 2);
        Write(Ims, 0xFFFF);
    }

    private void Describe(uint offset, uint length, uint command, int at = 0)
    {
        byte[] descriptor = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, Buffers + offset);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(8), length | (command << 24));
        _memory.TryWriteBytes(TransmitRing + ((ulong)at * 16), descriptor);
        _tail = at + 1;
    }

    private void DescribeContext(ushort segmentSize)
    {
        byte[] descriptor = new byte[16];
        (descriptor[0], descriptor[1], descriptor[2], descriptor[4], descriptor[5]) = (14, 24, 33, 34, 50);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(8), 2500 | (0x27u << 24)); // DEXT, TSE, IP, TCP
        descriptor[13] = 54;
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor.AsSpan(14), segmentSize);
        _memory.TryWriteBytes(TransmitRing, descriptor);
    }

    private void DescribeData(uint length, uint command, byte options)
    {
        byte[] descriptor = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, Buffers);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(8), length | (1 << 20) | (command << 24));
        descriptor[13] = options;
        _memory.TryWriteBytes(TransmitRing + 16, descriptor);
        _tail = 2;
    }

    private void Ring() => Write(Tdt, (uint)_tail);

    private bool Receive(byte[] frame) => _network.Card!.TryReceive(frame.AsSpan(0, 14), frame.AsSpan(14), FrameOffload.None);

    private byte[] Bytes(ulong gpa, int count) => _memory.TryGetSpan(gpa, (uint)count, out ReadOnlySpan<byte> span) ? span.ToArray() : [];
}
