using Strata.Images;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>debian-tiny, in the user's cache before the first test starts.</summary>
public sealed class DebianGuest : IAsyncLifetime
{
    public const string Prompt = "debian-tiny:/root# ";

    private readonly DebianTiny _image = new();

    public string Kernel => _image.KernelPath;

    public string Initrd => _image.InitrdPath;

    public MachineSpec Spec => new()
    {
        Kernel = _image.KernelPath,
        Initrd = _image.InitrdPath,
        CommandLine = "console=ttyS0 quiet panic=-1",
        Memory = 256UL << 20,
    };

    /// <summary>With the agent in it, and sockets to reach it.</summary>
    public MachineSpec SpecWithAgent => Spec with { InitrdOverlays = [_image.AgentInitrdPath], Sockets = true };

    /// <summary>A shell's line that ends when something in the guest listens on a TCP port, so that the first call is taken.</summary>
    public static string AwaitListener(int port) => $"until cat /proc/net/tcp* | grep -q ':{port:X4} 0*:0000 0A'; do sleep 0.1; done";

    public Task InitializeAsync() => _image.EnsureAsync();

    public Task DisposeAsync() => Task.CompletedTask;
}
