using System.Buffers.Binary;
using Strata.Disks.Images;

namespace Strata.Tests.Specs;

/// <summary>A file of UEFI variables is used, or left as it is and said what is wrong.</summary>
public sealed class FirmwareVariablesTests : IDisposable
{
    private const int Size = 64 << 10;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Open_NoFile_MakesOne()
    {
        string path = _folder.PathOf("new/vars.fd");

        (DiskImage store, byte[] content) = FirmwareVariables.Open(path, Template());
        store.Dispose();

        Assert.Equal(Template(), content);
        Assert.Equal(Template(), File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    [Fact]
    public void Open_OtherVariables_HasThem()
    {
        byte[] file = Template();
        file[5000] = 1;

        (DiskImage store, byte[] content) = FirmwareVariables.Open(_folder.Write("vars.fd", file), Template());
        store.Dispose();

        Assert.Equal(file, content);
    }

    [Fact]
    public void Open_HeaderErasedForAMoment_IsLeftToTheFirmware()
    {
        byte[] file = Template();
        file.AsSpan(0, 4096).Fill(0xFF);
        file[40_000] = 1;

        FirmwareVariables.Open(_folder.Write("vars.fd", file), Template()).Store.Dispose();
    }

    [Theory]
    [InlineData("cut off")]
    [InlineData("empty")]
    [InlineData("too long")]
    [InlineData("header")]
    [InlineData("erased")]
    [InlineData("folder")]
    public void Open_DamagedFile_IsRefusedAndLeftAsItIs(string what)
    {
        byte[] file = what switch
        {
            "cut off" => Template()[..4096],
            "empty" => [],
            "too long" => [.. Template(), 0],
            "erased" => [.. Enumerable.Repeat((byte)0xFF, Size)],
            _ => Template(),
        };
        if (what == "header")
        {
            file[41] ^= 1;
        }

        string path = what == "folder" ? _folder.PathOf("") : _folder.Write("vars.fd", file);

        StrataException error = Assert.Throws<StrataException>(() => FirmwareVariables.Open(path, Template()));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("move it away", error.Message, StringComparison.Ordinal);
        if (what != "folder")
        {
            Assert.Equal(file, File.ReadAllBytes(path));
        }
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Open_AnyBytes_IsUsedOrRefused(int seed)
    {
        Random random = new(seed);
        for (int i = 0; i < 100; i++)
        {
            byte[] file = Template();
            for (int changes = random.Next(1, 20); changes > 0; changes--)
            {
                file[random.Next(random.Next(2) == 0 ? 128 : Size)] = (byte)random.Next(256);
            }

            string path = _folder.Write($"{seed}-{i}.fd", random.Next(4) == 0 ? file[..random.Next(Size)] : file);
            try
            {
                FirmwareVariables.Open(path, Template()).Store.Dispose();
            }
            catch (StrataException error)
            {
                Assert.Equal(StrataError.BadInput, error.Error);
            }
        }
    }

    /// <summary>The header of a firmware volume, and of the variable store in it, as far as anybody looks.</summary>
    private static byte[] Template()
    {
        byte[] file = new byte[Size];
        file.AsSpan().Fill(0xFF);
        file.AsSpan(0, 100).Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(32), Size);
        "_FVH"u8.CopyTo(file.AsSpan(40));
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(48), 72);
        file[92] = 0x5A;
        return file;
    }
}
