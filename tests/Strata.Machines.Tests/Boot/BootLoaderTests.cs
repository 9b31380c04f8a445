using System.Text;
using Strata.Machines.Boot;

namespace Strata.Machines.Tests.Boot;

public sealed class BootLoaderTests : IDisposable
{
    private readonly BootBench _bench = new();

    public static TheoryData<byte[]> NoKernels =>
    [
        [],
        [0x7F],
        Encoding.ASCII.GetBytes("#!/bin/sh\nexit 0\n"),
        Encoding.ASCII.GetBytes(new string('x', 20_000)),
        new byte[4096],
        LittleEndian.Pattern(100_000, 1),
    ];

    [Theory]
    [MemberData(nameof(NoKernels))]
    public void Load_NoKernel_SaysWhatKernelsAre(byte[] image)
    {
        BootImageException error = Assert.Throws<BootImageException>(() => _bench.Load(image));

        Assert.Contains("bzImage", error.Message, StringComparison.Ordinal);
        Assert.Contains("multiboot", error.Message, StringComparison.Ordinal);
        Assert.Contains("PVH", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_EachProtocol_IsRecognizedByItsRegisters()
    {
        BootEntry linux = _bench.Load(BzImages.Create());
        BootEntry multiboot = _bench.Load(MultibootImages.Create());
        BootEntry both = _bench.Load(ElfImages.CreateMultiboot(is64: false));
        BootEntry pvh = _bench.Load(ElfImages.Create(is64: true));

        Assert.Equal((EntryMode.Long64, 0UL), (linux.Mode, linux.Rax));
        Assert.Equal(0x2BADB002UL, multiboot.Rax);
        Assert.Equal(0x2BADB002UL, both.Rax); // a multiboot header wins over the PVH note
        Assert.Equal((EntryMode.Protected32, 0UL), (pvh.Mode, pvh.Rax));
    }

    public void Dispose() => _bench.Dispose();
}
