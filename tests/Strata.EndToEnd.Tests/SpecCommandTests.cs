using Iced.Intel;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>`strata run --spec` and `strata inspect --spec`.</summary>
public sealed class SpecCommandTests(NamedMachine guest) : IClassFixture<NamedMachine>, IDisposable
{
    private const int BadInput = 2;
    private const int DebugExit = (0x10 << 1) | 1;

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Run_Spec_StartsItWithPathsFromItsFolder()
    {
        WriteKernel("a.elf", 'a');
        string spec = WriteSpec("""{ "version": 1, "kernel": "a.elf", "memory": "16M", "networks": [] }""");

        (int code, string output, _) = await guest.RunAsync(_timeout.Token, "run", "--spec", spec);

        Assert.Equal((DebugExit, "a"), (code, output));
    }

    [Fact]
    public async Task Run_OptionBesideSpec_TakesThePlaceOfWhatItSays()
    {
        WriteKernel("a.elf", 'a');
        string other = WriteKernel("b.elf", 'b');
        string spec = WriteSpec(
            """{ "version": 1, "kernel": "a.elf", "memory": "8M", "networks": [], "disks": ["missing.raw"], "engine": "kvm" }""");
        string disk = Path.Combine(_folder.Root, "there.raw");
        await File.WriteAllBytesAsync(disk, new byte[4096]);

        (int code, string output, _) = await guest.RunAsync(
            _timeout.Token, "run", "--spec", spec, "--kernel", other, "--memory", "16M", "--disk", disk, "--engine", "interpreter");

        Assert.Equal((DebugExit, "b"), (code, output));
    }

    [Fact]
    public async Task Run_SpecWithAMistake_NamesFileAndField()
    {
        string spec = WriteSpec("""{ "version": 1, "image": "debian-tiny", "disks": ["a.raw", { "path": "b.raw", "format": "tar" }] }""");

        (int code, _, string errors) = await guest.RunAsync(_timeout.Token, "run", "--spec", spec);

        Assert.Equal(BadInput, code);
        Assert.Contains($"{spec} cannot be used. disks[1].format: \"tar\"", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_SpecOfARunningMachine_StartsAnotherOne()
    {
        (int code, string json, _) = await guest.RunAsync(_timeout.Token, "inspect", NamedMachine.Name, "--spec");
        MachineSpec spec = MachineSpec.FromJson(json);
        string file = WriteSpec(json);
        (int again, string output, string errors) = await guest.RunAsync(
            _timeout.Token, "run", "--spec", file, "--name", "again", "--net", "none", "--exec", "grep MemTotal /proc/meminfo");

        Assert.Equal(0, code);
        Assert.Equal((NamedMachine.Name, "debian-tiny", 256UL << 20, Engine.Translator), (spec.Name, spec.Image, spec.Memory, spec.Engine));
        Assert.True(Path.IsPathRooted(spec.Kernel));
        Assert.True(again == 0, errors);
        Assert.Contains("MemTotal", output, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _folder.Dispose();
        _timeout.Dispose();
    }

    private string WriteSpec(string json)
    {
        string path = Path.Combine(_folder.Root, "machine.json");
        File.WriteAllText(path, json);
        return path;
    }

    /// <summary>A kernel that prints a letter and ends.</summary>
    private string WriteKernel(string name, char letter)
    {
        string path = Path.Combine(_folder.Root, name);
        File.WriteAllBytes(path, MultibootProgram.Assemble(c =>
        {
            c.Print(letter);
            c.OutByte(0xF4, 0x10);
            c.hlt();
        }));
        return path;
    }
}
