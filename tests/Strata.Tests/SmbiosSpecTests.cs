namespace Strata.Tests;

/// <summary>What people write about a machine's SMBIOS tables.</summary>
public sealed class SmbiosSpecTests
{
    [Fact]
    public void With_SeveralTexts_KeepsAll()
    {
        SmbiosSpec smbios = new SmbiosSpec().With("serial=ds=nocloud;s=http://10.0.2.2/")
            .With("board-serial=")
            .With("oem=a=b")
            .With("oem=c")
            .With("uuid=3f1c2d7e-9a4b-4c21-8a57-0d5e6b7c8d90").With("board-serial=7");

        Assert.Equal("ds=nocloud;s=http://10.0.2.2/", smbios.Values["serial"]);
        Assert.Equal("7", smbios.Values["board-serial"]);
        Assert.Equal(["a=b", "c"], smbios.OemStrings);
        Assert.Equal(new Guid("3f1c2d7e-9a4b-4c21-8a57-0d5e6b7c8d90"), smbios.Uuid);
    }

    [Theory]
    [InlineData("serial", "KEY=VALUE")]
    [InlineData("colour=red", "board-serial")]
    [InlineData("uuid=12", "no UUID")]
    [InlineData("sku=a\0b", "zero")]
    public void With_WhatIsNone_IsRefused(string text, string why)
    {
        StrataException error = Assert.Throws<StrataException>(() => new SmbiosSpec().With(text));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_OfASpecification_ComesBack()
    {
        MachineSpec spec = new()
        {
            Smbios = new SmbiosSpec().With("board-serial=7").With("oem=x").With("uuid=3f1c2d7e-9a4b-4c21-8a57-0d5e6b7c8d90"),
        };

        MachineSpec read = MachineSpec.FromJson(spec.ToJson());

        Assert.Equal("7", read.Smbios.Values["board-serial"]);
        Assert.Equal(["x"], read.Smbios.OemStrings);
        Assert.Equal(spec.Smbios.Uuid, read.Smbios.Uuid);
        Assert.Contains("boardSerial", spec.ToJson(), StringComparison.Ordinal);
    }
}
