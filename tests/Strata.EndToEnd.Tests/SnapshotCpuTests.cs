using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Strata.EndToEnd.Tests.Harness;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>What processors a machine has goes with its snapshots.</summary>
[Collection(CountedResources.Name)]
public sealed class SnapshotCpuTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TemporaryFolder _folder = new();

    private SnapshotStore Store => new(_folder.PathOf("set"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task CreateSnapshotAsync_MachineWithTheHostsProcessors_NamesWhatTheyAre()
    {
        await SaveAsync(cpu: null);

        string? saved = SnapshotCatalog.ReadSpec(Store, "base").Cpu;

        Assert.StartsWith("x86-64-v", saved, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x86-64-v2")]
    [InlineData("x86-64-v3")]
    [InlineData("x86-64-v2+avx+sha")]
    public async Task RestoreAsync_MachineOfAModel_HasItStill(string cpu)
    {
        await SaveAsync(cpu);

        await using VirtualMachine machine = await VirtualMachine.RestoreAsync(Store, "base").WaitAsync(Patience);

        Assert.Equal(cpu, (await machine.GetSpecAsync()).Cpu);
        await ChecksumMachine.AssertComputesAsync(machine);
    }

    [Fact]
    public async Task RestoreAsync_SnapshotFromBeforeThereWasAChoice_IsOfTheLeastModel()
    {
        await SaveAsync(cpu: "x86-64-v2");
        ForgetCpu();

        await using VirtualMachine machine = await VirtualMachine.RestoreAsync(Store, "base").WaitAsync(Patience);

        Assert.Equal("x86-64-v2", (await machine.GetSpecAsync()).Cpu);
    }

    [Fact]
    public async Task StartAsync_UnknownModel_SaysWhichThereAre()
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.StartAsync(Spec() with { Cpu = "pentium" }));

        Assert.Contains("x86-64-v3", error.Message, StringComparison.Ordinal);
    }

    private MachineSpec Spec() => new()
    {
        Kernel = _folder.Write("guest", ChecksumGuest.Assemble()),
        Engine = Engine.Interpreter,
        Memory = 32UL << 20,
    };

    private async Task SaveAsync(string? cpu)
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec() with { Cpu = cpu });
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "base" }, Store).WaitAsync(Patience);
    }

    /// <summary>Takes the field out of the saved specification, as older versions wrote it.</summary>
    private void ForgetCpu()
    {
        string folder = Path.Combine(Store.Folder, "base");
        string path = Path.Combine(folder, "manifest.json");
        string before = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(path))!;
        Assert.True(manifest["machine"]!.AsObject().Remove("cpu"));
        File.WriteAllText(path, manifest.ToJsonString());
        string after = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
        string sums = Path.Combine(folder, "SHA256SUMS");
        File.WriteAllText(sums, File.ReadAllText(sums).Replace(before, after, StringComparison.Ordinal));
    }
}
