using Strata.Virtio.Vsock;

namespace Strata.Virtio.Tests.Vsock;

/// <summary>VIRTIO 1.2, "Socket Device": the host's end, packet by packet.</summary>
public sealed class VsockHubTests : IDisposable
{
    private const uint GuestPort = 5000;
    private const uint HostPort = 1024;
    private const uint Both = 3;

    private readonly VsockHub _hub;
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private int _wakes;

    public VsockHubTests() => _hub = new VsockHub(() => Interlocked.Increment(ref _wakes));

    public void Dispose()
    {
        _hub.Close();
        _timeout.Dispose();
    }

    [Fact]
    public async Task Connect_GuestAnswers_IsAStream()
    {
        Task<VsockStream> connecting = _hub.ConnectAsync(GuestPort, _timeout.Token);

        (VsockHeader request, _) = Take();
        Assert.Equal(
            (VsockOperation.Request, 2UL, 3UL, GuestPort), (request.Operation, request.SourceCid, request.TargetCid, request.TargetPort));
        Assert.Equal((VsockHeader.TypeStream, 256U << 10), (request.Type, request.BufferAllocated));
        Answer(request, VsockOperation.Response);

        VsockStream stream = await connecting;
        Assert.Equal(GuestPort, stream.GuestPort);
        Assert.False(_hub.HasOutgoing);
    }

    [Fact]
    public async Task Connect_GuestRefuses_SaysSo()
    {
        Task<VsockStream> connecting = _hub.ConnectAsync(GuestPort, _timeout.Token);
        Answer(Take().Header, VsockOperation.Reset);

        VsockException error = await Assert.ThrowsAsync<VsockException>(() => connecting);

        Assert.True(error.IsRefused);
        Assert.Contains("5000", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connect_DriverResetMeanwhile_IsAskedAgain()
    {
        Task<VsockStream> connecting = _hub.ConnectAsync(GuestPort, _timeout.Token);
        VsockHeader first = Take().Header;

        _hub.Reset();
        VsockHeader second = Take().Header;
        Answer(second, VsockOperation.Response);

        await connecting;
        Assert.Equal(first, second);
    }

    [Fact]
    public async Task Connect_Cancelled_RefusesALateAnswer()
    {
        using CancellationTokenSource cancel = new();
        Task<VsockStream> connecting = _hub.ConnectAsync(GuestPort, cancel.Token);
        VsockHeader request = Take().Header;
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);

        Answer(request, VsockOperation.Response);

        Assert.Equal(VsockOperation.Reset, Take().Header.Operation);
    }

    [Fact]
    public async Task Accept_GuestConnects_IsAnsweredAndCarriesBytesBothWays()
    {
        using VsockStream stream = await ConnectFromGuestAsync(credit: 1000);

        Send(VsockOperation.Data, "from the guest"u8.ToArray());
        byte[] buffer = new byte[100];
        int count = await stream.ReadAsync(buffer, _timeout.Token);
        await stream.WriteAsync("from the host"u8.ToArray(), _timeout.Token);
        (VsockHeader header, byte[] content) = Take();

        Assert.Equal("from the guest"u8, buffer.AsSpan(0, count));
        Assert.Equal(VsockOperation.Data, header.Operation);
        Assert.Equal("from the host"u8, content);
        Assert.Equal(14U, header.ForwardCount);
    }

    [Fact]
    public void Accept_NobodyListens_IsRefused()
    {
        Send(VsockOperation.Request);

        (VsockHeader header, _) = Take();

        Assert.Equal((VsockOperation.Reset, HostPort, GuestPort), (header.Operation, header.SourcePort, header.TargetPort));
    }

    [Fact]
    public void Accept_BacklogFull_IsRefused()
    {
        using VsockListener listener = _hub.Listen(HostPort);
        for (uint i = 0; i < VsockListener.Backlog; i++)
        {
            Receive(new VsockHeader { SourcePort = i, Operation = VsockOperation.Request });
            Assert.Equal(VsockOperation.Response, Take().Header.Operation);
        }

        Receive(new VsockHeader { SourcePort = 9999, Operation = VsockOperation.Request });

        Assert.Equal(VsockOperation.Reset, Take().Header.Operation);
    }

    [Fact]
    public async Task Write_MoreThanTheCredit_WaitsForMore()
    {
        using VsockStream stream = await ConnectFromGuestAsync(credit: 10);
        await stream.WriteAsync(new byte[25], _timeout.Token);

        Assert.Equal(10, Take().Content.Length);
        Assert.False(_hub.HasOutgoing);
        Send(VsockOperation.CreditUpdate, credit: 10, taken: 4);
        Assert.Equal(4, Take().Content.Length);
        Send(VsockOperation.CreditUpdate, credit: 100, taken: 14);
        Assert.Equal(11, Take().Content.Length);
    }

    [Fact]
    public async Task Write_GuestDoesNotTake_IsBounded()
    {
        using VsockStream stream = await ConnectFromGuestAsync(credit: 0);

        Task writing = stream.WriteAsync(new byte[(64 << 10) + 1], _timeout.Token).AsTask();
        await Task.Delay(50, _timeout.Token);
        Assert.False(writing.IsCompleted);
        Send(VsockOperation.CreditUpdate, credit: 1);
        Assert.Single(Take().Content);

        await writing;
    }

    [Fact]
    public async Task Read_ManyBytes_GivesTheGuestItsCreditBack()
    {
        using VsockStream stream = await ConnectFromGuestAsync(credit: 1000);
        byte[] buffer = new byte[1 << 20];
        Send(VsockOperation.Data, new byte[64 << 10]);
        Assert.False(_hub.HasOutgoing);

        int count = await stream.ReadAsync(buffer, _timeout.Token);

        (VsockHeader header, _) = Take();
        Assert.Equal((VsockOperation.CreditUpdate, (uint)count), (header.Operation, header.ForwardCount));
        Assert.Equal(64 << 10, count);
    }

    [Fact]
    public async Task Data_MoreThanTheCredit_BreaksTheConnection()
    {
        using VsockStream stream = await ConnectFromGuestAsync(credit: 1000);
        for (int i = 0; i < 4; i++)
        {
            Send(VsockOperation.Data, new byte[64 << 10]);
        }

        Send(VsockOperation.Data, [1]);

        Assert.Equal(VsockOperation.Reset, Take().Header.Operation);
        Assert.Equal(256 << 10, await ReadAllAsync(stream)); // what was right arrives still
    }

    [Fact]
    public async Task CreditRequest_Connection_IsAnswered()
    {
        using VsockStream stream = await ConnectFromGuestAsync(credit: 1000);

        Send(VsockOperation.CreditRequest);

        Assert.Equal(
            (VsockOperation.CreditUpdate, 256U << 10), Take().Header is var header ? (header.Operation, header.BufferAllocated) : default);
    }

    [Fact]
    public async Task Shutdown_OfTheGuestsSending_IsTheEndOfTheStream()
    {
        using VsockStream stream = await ConnectFromGuestAsync(credit: 1000);
        Send(VsockOperation.Data, [1, 2, 3]);
        Receive(new VsockHeader { SourcePort = GuestPort, Operation = VsockOperation.Shutdown, Flags = 2, BufferAllocated = 1000 });

        Assert.Equal(3, await ReadAllAsync(stream));
        await stream.WriteAsync(new byte[1], _timeout.Token);
        Assert.Single(Take().Content);
    }

    [Fact]
    public async Task Shutdown_Both_IsAnsweredWithAReset()
    {
        using VsockStream stream = await ConnectFromGuestAsync(credit: 1000);

        Receive(new VsockHeader { SourcePort = GuestPort, Operation = VsockOperation.Shutdown, Flags = Both });

        Assert.Equal(VsockOperation.Reset, Take().Header.Operation);
        Assert.Equal(0, await ReadAllAsync(stream));
        await Assert.ThrowsAsync<VsockException>(() => stream.WriteAsync(new byte[1], _timeout.Token).AsTask());
    }

    [Fact]
    public async Task Dispose_UnsentBytes_AreSentBeforeTheShutdown()
    {
        VsockStream stream = await ConnectFromGuestAsync(credit: 1000);
        await stream.WriteAsync(new byte[7], _timeout.Token);

        await stream.DisposeAsync();

        Assert.Equal(7, Take().Content.Length);
        Assert.Equal((VsockOperation.Shutdown, Both), Take().Header is var header ? (header.Operation, header.Flags) : default);
        Assert.False(_hub.HasOutgoing);
    }

    [Fact]
    public async Task Reset_OpenConnection_FailsItsReader()
    {
        using VsockStream stream = await ConnectFromGuestAsync(credit: 1000);
        Task<int> reading = stream.ReadAsync(new byte[1], _timeout.Token).AsTask();

        _hub.Reset();

        await Assert.ThrowsAsync<VsockException>(() => reading);
    }

    [Fact]
    public async Task Close_WaitingProgram_IsToldThatTheMachineEnded()
    {
        Task<VsockStream> connecting = _hub.ConnectAsync(GuestPort, _timeout.Token);
        VsockListener listener = _hub.Listen(HostPort);
        Task<VsockStream> accepting = listener.AcceptAsync(_timeout.Token);

        _hub.Close();

        Assert.Contains("ended", (await Assert.ThrowsAsync<VsockException>(() => connecting)).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<VsockException>(() => accepting);
        await Assert.ThrowsAsync<VsockException>(() => _hub.ConnectAsync(GuestPort, _timeout.Token));
        Assert.Throws<VsockException>(() => _hub.Listen(HostPort));
    }

    [Theory]
    [InlineData(3UL, 2UL, 2)] // not a stream
    [InlineData(3UL, 9UL, 1)] // for somebody else
    public void Packet_ForNobody_IsRefused(ulong source, ulong target, ushort type)
    {
        _hub.Receive(new VsockHeader { SourceCid = source, TargetCid = target, Type = type, Operation = VsockOperation.Request }, default);

        Assert.Equal((VsockOperation.Reset, type), Take().Header is var header ? (header.Operation, header.Type) : default);
    }

    [Fact]
    public void Packet_WithAForgedSource_IsIgnored()
    {
        _hub.Receive(new VsockHeader { SourceCid = 4, TargetCid = 2, Type = 1, Operation = VsockOperation.Request }, default);

        Assert.False(_hub.HasOutgoing);
    }

    [Fact]
    public void Packets_NobodyTakesTheRefusals_StopTheGuest()
    {
        int sent = 0;
        while (_hub.CanReceive && sent < 10_000)
        {
            Send(VsockOperation.Data);
            sent++;
        }

        Assert.Equal(VsockHub.MostRefusals, sent);
        Take();
        Assert.True(_hub.CanReceive);
    }

    [Fact]
    public void Packets_Random_NeverThrowAndStayBounded()
    {
        Random random = new(77_123);
        using VsockListener listener = _hub.Listen(HostPort);
        byte[] content = new byte[64 << 10];
        for (int i = 0; i < 100_000; i++)
        {
            VsockHeader header = new()
            {
                SourceCid = random.Next(50) == 0 ? (ulong)random.NextInt64() : VsockHub.GuestCid,
                TargetCid = random.Next(50) == 0 ? (ulong)random.NextInt64() : VsockHub.HostCid,
                SourcePort = (uint)random.Next(100),
                TargetPort = random.Next(3) == 0 ? (uint)random.Next() : HostPort,
                Type = (ushort)(random.Next(50) == 0 ? random.Next(65536) : 1),
                Operation = (VsockOperation)(random.Next(10) == 0 ? random.Next(65536) : random.Next(9)),
                Flags = (uint)random.Next(5),
                BufferAllocated = (uint)random.Next(),
                ForwardCount = (uint)random.Next(),
            };
            int length = header.Operation == VsockOperation.Data ? random.Next(content.Length) : 0;
            _hub.Receive(header with { Length = (uint)length }, content.AsSpan(0, length));
            while (random.Next(2) == 0 && _hub.TryTake(content.AsSpan(0, random.Next(4096)), out VsockHeader outgoing))
            {
                Assert.InRange(outgoing.Length, 0U, 4096U);
            }
        }

        int left = 0;
        while (_hub.TryTake(content, out _))
        {
            Assert.InRange(++left, 0, 2 * VsockHub.MostConnections);
        }
    }

    [Fact]
    public void ByteRing_RandomUse_KeepsOrderAndLimit()
    {
        Random random = new(4);
        ByteRing ring = new(5000);
        Queue<byte> model = new();
        byte[] buffer = new byte[3000];
        for (int i = 0; i < 5_000; i++)
        {
            Span<byte> piece = buffer.AsSpan(0, random.Next(buffer.Length));
            if (random.Next(2) == 0)
            {
                random.NextBytes(piece);
                int added = ring.Add(piece);
                Assert.Equal(Math.Min(piece.Length, 5000 - model.Count), added);
                foreach (byte b in piece[..added])
                {
                    model.Enqueue(b);
                }
            }
            else
            {
                int taken = ring.Take(piece);
                Assert.Equal(Math.Min(piece.Length, model.Count), taken);
                foreach (byte b in piece[..taken])
                {
                    Assert.Equal(model.Dequeue(), b);
                }
            }

            Assert.Equal(model.Count, ring.Count);
        }
    }

    private async Task<VsockStream> ConnectFromGuestAsync(uint credit)
    {
        VsockListener listener = _hub.Listen(HostPort);
        Send(VsockOperation.Request, credit: credit);
        VsockStream stream = await listener.AcceptAsync(_timeout.Token);
        Assert.Equal(VsockOperation.Response, Take().Header.Operation);
        return stream;
    }

    private static async Task<int> ReadAllAsync(VsockStream stream)
    {
        int total = 0;
        byte[] buffer = new byte[100_000];
        try
        {
            int count;
            while ((count = await stream.ReadAsync(buffer)) > 0)
            {
                total += count;
            }
        }
        catch (VsockException)
        {
            return total;
        }

        return total;
    }

    private void Send(VsockOperation operation, byte[]? content = null, uint credit = 1000, uint taken = 0) =>
        Receive(new VsockHeader { SourcePort = GuestPort, Operation = operation, BufferAllocated = credit, ForwardCount = taken }, content);

    private void Receive(VsockHeader header, byte[]? content = null) => _hub.Receive(
        header with
        {
            SourceCid = VsockHub.GuestCid,
            TargetCid = VsockHub.HostCid,
            TargetPort = HostPort,
            Type = VsockHeader.TypeStream,
            Length = (uint)(content?.Length ?? 0),
        },
        content);

    private void Answer(VsockHeader request, VsockOperation operation) => _hub.Receive(
        new VsockHeader
        {
            SourceCid = request.TargetCid,
            TargetCid = request.SourceCid,
            SourcePort = request.TargetPort,
            TargetPort = request.SourcePort,
            Type = VsockHeader.TypeStream,
            Operation = operation,
            BufferAllocated = 1000,
        },
        default);

    private (VsockHeader Header, byte[] Content) Take()
    {
        byte[] content = new byte[64 << 10];
        Assert.True(_hub.HasOutgoing);
        Assert.True(_hub.TryTake(content, out VsockHeader header));
        return (header, content[..(int)header.Length]);
    }
}
