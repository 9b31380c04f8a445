using Strata.Core.Bus;
using Strata.Devices.Display;

namespace Strata.Devices.Tests.Display;

/// <summary>Motorola MC6845 data sheet, "Registers".</summary>
public sealed class Crtc6845Tests
{
    private readonly Crtc6845 _crtc = new();

    [Fact]
    public void Cursor_AtStart_IsInTheFirstPlace() => Assert.Equal((0u, 0u), (Read(0x0E), Read(0x0F)));

    [Fact]
    public void Register_Written_ReadsBackThroughItsIndex()
    {
        Write(0x0E, 0x07);
        Write(0x0F, 0xCF);

        Assert.Equal((0x07u, 0xCFu), (Read(0x0E), Read(0x0F)));
        Assert.Equal(0x0Fu, _crtc.ReadPort(0, AccessWidth.Byte));
    }

    [Fact]
    public void Write_AWord_IsIndexAndData()
    {
        _crtc.WritePort(0, AccessWidth.Word, 0x120E);

        Assert.Equal(0x12u, Read(0x0E));
    }

    [Fact]
    public void Register_BehindTheLast_ReadsZero()
    {
        Write(0x1F, 0xFF);

        Assert.Equal(0u, Read(0x1F));
    }

    private void Write(uint index, uint value)
    {
        _crtc.WritePort(0, AccessWidth.Byte, index);
        _crtc.WritePort(1, AccessWidth.Byte, value);
    }

    private uint Read(uint index)
    {
        _crtc.WritePort(0, AccessWidth.Byte, index);
        return _crtc.ReadPort(1, AccessWidth.Byte);
    }
}
