using System.Text;
using Iced.Intel;
using Strata.Control;
using Strata.Devices.Serial;
using Strata.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Tests.Control;

/// <summary>Other processes at the console of a machine that says "ready" and then repeats what is typed.</summary>
public sealed class ConsoleSessionTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly MachineRegistry _registry;
    private VirtualMachine? _machine;
    private ControlServer? _server;

    public ConsoleSessionTests() => _registry = new MachineRegistry(_folder.PathOf("strata"));

    private IMachine Running => _registry.Find("echo");

    public async Task InitializeAsync()
    {
        _machine = await VirtualMachine.StartAsync(
            new MachineSpec
            {
                Kernel = _folder.Write("kernel", MultibootProgram.Assemble(Echo)),
                Memory = 16 << 20,
                Engine = Engine.Interpreter,
                Networks = [],
            }, _timeout.Token);
        _server = ControlServer.Start(_machine, await _registry.ReserveAsync("echo", "kernel", _timeout.Token));
        await _machine.Console.WaitForAsync("ready", _timeout.Token);
    }

    public async Task DisposeAsync()
    {
        await _server!.DisposeAsync();
        await _machine!.DisposeAsync();
    }

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task OpenConsole_Several_SeeWhatWasPrintedAndWhatAnyoneTypes()
    {
        await using Stream one = await Running.OpenConsoleAsync(_timeout.Token);
        await using Stream two = await Running.OpenConsoleAsync(_timeout.Token);
        Assert.Equal("ready", await ReadAsync(one, 5));
        Assert.Equal("ready", await ReadAsync(two, 5));

        await one.WriteAsync("a"u8.ToArray(), _timeout.Token);
        Assert.Equal("a", await ReadAsync(one, 1));
        Assert.Equal("a", await ReadAsync(two, 1));
        await two.WriteAsync("b"u8.ToArray(), _timeout.Token);
        Assert.Equal("b", await ReadAsync(one, 1));
    }

    [Fact]
    public async Task OpenConsole_OneThatLeaves_LeavesMachineAndOthersAlone()
    {
        await using Stream other = await Running.OpenConsoleAsync(_timeout.Token);
        await using (Stream one = await Running.OpenConsoleAsync(_timeout.Token))
        {
            await one.WriteAsync("a"u8.ToArray(), _timeout.Token);
            Assert.Equal("readya", await ReadAsync(one, 6));
        }

        await other.WriteAsync("b"u8.ToArray(), _timeout.Token);

        Assert.Equal("readyab", await ReadAsync(other, 7));
        Assert.Equal("echo", (await Running.DescribeAsync(_timeout.Token)).Name);
    }

    [Fact]
    public async Task OpenConsole_MachineThatEnds_EndsTheStreamBehindItsLastWords()
    {
        await using Stream console = await Running.OpenConsoleAsync(_timeout.Token);
        await _machine!.Console.WriteAsync("last");
        await _machine.Console.WaitForAsync("last", _timeout.Token);

        await Running.StopAsync(_timeout.Token);
        await _server!.DisposeAsync();

        Assert.Equal("readylast", await ReadAsync(console, 9));
        Assert.Equal(0, await console.ReadAsync(new byte[1], _timeout.Token));
    }

    [Fact]
    public async Task Observer_ThatDoesNotRead_LosesTheOldestAndSaysHowMany()
    {
        GuestConsole console = new(null, ConsoleDevice.Serial);
        Print(console, "before");
        using ConsoleObserver observer = console.Observe(history: 3);
        byte[] more = new byte[ConsoleObserver.Capacity - 2];
        more.AsSpan().Fill((byte)'x');
        Print(console, Encoding.ASCII.GetString(more));

        byte[] buffer = new byte[ConsoleObserver.Capacity];
        (int count, long lost) = await observer.ReadAsync(buffer, _timeout.Token);

        Assert.Equal((ConsoleObserver.Capacity, 1L), (count, lost));
        Assert.Equal("rex", Encoding.ASCII.GetString(buffer, 0, 3)); // of "ore" the o is lost
        Print(console, new string('y', ConsoleObserver.Capacity + 7));
        Assert.Equal((1, 7L), await observer.ReadAsync(buffer.AsMemory(0, 1), _timeout.Token));
        Assert.Equal((ConsoleObserver.Capacity - 1, 0L), await observer.ReadAsync(buffer, _timeout.Token));
    }

    private static void Print(GuestConsole console, string text) => ((ISerialBackend)console).Write(Encoding.ASCII.GetBytes(text));

    private static void Echo(Assembler c)
    {
        foreach (char character in "ready")
        {
            c.Print(character);
        }

        Label poll = c.CreateLabel();
        c.Label(ref poll);
        c.mov(dx, 0x3FD); // line status: bit 0, a byte has come
        c.@in(al, dx);
        c.test(al, 1);
        c.je(poll);
        c.mov(dx, 0x3F8);
        c.@in(al, dx);
        c.@out(dx, al);
        c.jmp(poll);
    }

    private async Task<string> ReadAsync(Stream console, int count)
    {
        byte[] bytes = new byte[count];
        await console.ReadExactlyAsync(bytes, _timeout.Token);
        return Encoding.ASCII.GetString(bytes);
    }
}
