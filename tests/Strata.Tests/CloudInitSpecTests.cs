using System.Text;
using Strata.Core.Storage;

namespace Strata.Tests;

/// <summary>The files that cloud-init is told by, and the disc that they become.</summary>
public sealed class CloudInitSpecTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task LoadAsync_ThreeFiles_AreTheirTexts()
    {
        string user = _folder.Write("a,b", "\uFEFF#cloud-config\nhostname: \u00E9t\u00E9\n"u8);
        string meta = _folder.Write("meta", "instance-id: one\n"u8);
        string network = _folder.Write("network", "version: 2\n"u8);

        CloudInitSpec spec = await CloudInitSpec.LoadAsync($"{user.Replace(",", ",,", StringComparison.Ordinal)},{meta},{network}");

        Assert.Equal("#cloud-config\nhostname: \u00E9t\u00E9\n", spec.UserData);
        Assert.Equal(("instance-id: one\n", "version: 2\n"), (spec.MetaData, spec.NetworkConfig));
    }

    [Theory]
    [InlineData("", "names no files")]
    [InlineData("user,", "names no files")]
    [InlineData("user,user,user,user", "names no files")]
    [InlineData("missing", "cannot be read")]
    [InlineData("user,missing", "cannot be read")]
    [InlineData("gzip", "no text in UTF-8")]
    [InlineData("zero", "control character 00h")]
    [InlineData("large", "more than 256 KiB")]
    [InlineData("half,half", "at most 256 KiB")]
    public async Task LoadAsync_WhatCannotBe_SaysWhy(string text, string why)
    {
        _folder.Write("user", "#cloud-config\n"u8);
        _folder.Write("gzip", [0x1F, 0x8B, 8, 0]);
        _folder.Write("zero", "a\0b"u8);
        _folder.Write("half", new byte[150 << 10].Select(_ => (byte)'a').ToArray());
        _folder.WriteSparse("large", 1L << 40);
        string paths = string.Join(',', text.Split(',').Select(name => name.Length == 0 ? name : _folder.PathOf(name)));

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => CloudInitSpec.LoadAsync(paths));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CreateDisc_SameTexts_AreTheSameBytesAndOthersAnotherInstance()
    {
        byte[] first = Read(new CloudInitSpec { UserData = "#cloud-config\n" });
        byte[] second = Read(new CloudInitSpec { UserData = "#cloud-config\n" });
        byte[] other = Read(new CloudInitSpec { UserData = "#cloud-config\n", NetworkConfig = "version: 2\n" });

        Assert.Equal(first, second);
        Assert.NotEqual(InstanceOf(first), InstanceOf(other));
        Assert.StartsWith("instance-id: strata-", InstanceOf(first), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, false)] // all on virtio, which every cloud image knows
    [InlineData(1, true)]
    [InlineData(4, false)] // there is no place left
    public void HasCloudInitDrive_FollowsTheOtherDisks(int ideDisks, bool expected)
    {
        DiskSpec ide = new() { Path = "d", Bus = DiskBus.Ide };
        MachineSpec spec = new()
        {
            Firmware = FirmwareKind.SeaBios,
            CloudInit = new CloudInitSpec(),
            Disks = [.. Enumerable.Repeat(ide, ideDisks), "v.qcow2"],
        };

        Assert.Equal(expected, spec.HasCloudInitDrive);
    }

    [Fact]
    public void Json_TooMuchText_IsRefusedBeforeAStart()
    {
        MachineSpec spec = new() { Kernel = "k", CloudInit = new CloudInitSpec { UserData = new string('a', CloudInitSpec.LargestText) } };

        StrataException error = Assert.Throws<StrataException>(MachineSpec.FromJson(spec.ToJson()).Check);

        Assert.Contains("256 KiB", error.Message, StringComparison.Ordinal);
    }

    private static byte[] Read(CloudInitSpec spec)
    {
        using IBlockBackend disc = spec.CreateDisc();
        byte[] content = new byte[disc.Sectors * 512];
        disc.Read(0, content);
        return content;
    }

    private static string InstanceOf(byte[] disc)
    {
        string text = Encoding.ASCII.GetString(disc);
        int at = text.IndexOf("instance-id", StringComparison.Ordinal);
        return text[at..text.IndexOf('\n', at)];
    }
}
