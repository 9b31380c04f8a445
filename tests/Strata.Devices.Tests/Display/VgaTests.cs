using Strata.Core.Bus;
using Strata.Core.Display;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Core.Time;
using Strata.Devices.Display;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Display;

/// <summary>IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; Bochs, "VBE DISPI Interface".</summary>
public sealed class VgaTests : IDisposable
{
    private const int TextWindow = 0x1_8000; // B8000H
    private const uint White = 0xFFFFFF;

    private readonly ManualClock _clock = new();
    private readonly Vga _vga;
    private readonly PortSpace _ports = new();
    private readonly IMmioDevice _window;

    public VgaTests()
    {
        _vga = new Vga(_clock, 4 << 20);
        _window = _vga.Window;
        _ports.Map(0x3B4, 7, _vga.MonochromePorts);
        _ports.Map(0x3C0, 16, _vga.CommonPorts);
        _ports.Map(0x3D4, 7, _vga.ColorPorts);
        _ports.Map(0x1CE, 3, _vga.VbePorts);
    }

    [Fact]
    public void Text_WrittenToTheWindow_ShowsWithItsCursor()
    {
        SetTextMode();
        WriteText(0, "Hello");
        WriteText(81, "World \x01");
        Register(0x3D4, 0x0F, 5);

        ScreenText text = _vga.ReadText()!;

        Assert.Equal((80, 25, (int?)5), (text.Columns, text.Rows, text.Cursor));
        Assert.StartsWith("Hello\n World ☺\n\n", text.ToString(), StringComparison.Ordinal);
        Assert.Equal(0x0700 | 'H', text.Cells[0]);
    }

    [Fact]
    public void Text_StartMoved_ScrollsByHardware()
    {
        SetTextMode();
        WriteText(80, "second");

        Register(0x3D4, 0x0D, 80);

        Assert.StartsWith("second\n", _vga.ReadText()!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Text_Glyph_IsPaintedInItsColors()
    {
        SetTextMode();
        SetFont('A', [0b1000_0001]);
        WriteText(0, "A", attribute: 0x1F);
        SetColor(1, 0, 0, 0x2A);
        SetColor(15, 0x3F, 0x3F, 0x3F);

        ScreenPicture picture = Look();

        Assert.Equal((720, 400), (picture.Width, picture.Height));
        Assert.Equal([White, 0xAAu, 0xAAu, 0xAAu, 0xAAu, 0xAAu, 0xAAu, White, 0xAAu], picture.Pixels[..9].ToArray());
        Assert.Equal(0xAAu, picture.Pixels[720]);
    }

    [Fact]
    public void Update_OneCellChanged_TellsItsTileOnly()
    {
        SetTextMode();
        SetColor(7, 0x2A, 0x2A, 0x2A);
        ScreenPicture picture = Look();
        WriteText(0, "\xDB", attribute: 0x77);
        List<ScreenRectangle> changed = [];

        _vga.Update(picture, changed);
        Assert.Equal([new ScreenRectangle(0, 0, 32, 32)], changed);
        changed.Clear();
        _vga.Update(picture, changed);

        Assert.Empty(changed);
    }

    [Fact]
    public void Changed_WrittenSeveralTimes_IsRaisedOnceForALook()
    {
        int raised = 0;
        _vga.Changed += () => raised++;
        Look();
        _ports.Read(0x3DA, AccessWidth.Byte);
        int read = raised;

        _window.WriteMmio(0, AccessWidth.Byte, 1);
        _window.WriteMmio(1, AccessWidth.Byte, 1);
        int written = raised;
        Look();
        SetColor(7, 0x2A, 0x2A, 0x2A);

        Assert.Equal((0, 1, 2), (read, written, raised));
    }

    [Fact]
    public void Planes_DrawnBetweenLooks_AreToldOnceAndShow()
    {
        SetPlanarMode();
        ScreenPicture picture = Look();
        int raised = 0;
        _vga.Changed += () => raised++;
        List<ScreenRectangle> changed = [];

        _window.WriteMmio(0, AccessWidth.Byte, 0xFF);
        _window.WriteMmio(1, AccessWidth.Dword, 0xFFFF_FFFF);
        int first = raised;
        _vga.Update(picture, changed);
        _window.WriteMmio(0, AccessWidth.Byte, 0);
        int second = raised;
        _vga.Update(picture, changed);
        _vga.Update(picture, changed);

        Assert.Equal((1, 2, 2), (first, second, raised));
        Assert.Equal(0xFFFF_FF00UL, _window.ReadMmio(0, AccessWidth.Dword));
        Assert.Equal(0xFFUL, _window.ReadMmio(4, AccessWidth.Byte));
    }

    [Theory]
    [InlineData(0, 0xF0, 0x00, 0xFF, 0xF0F0F0F0)] // mode 0: data to all planes
    [InlineData(2, 0x05, 0x00, 0xFF, 0x00FF00FF)] // mode 2: a colour
    [InlineData(0, 0xF0, 0x00, 0x0F, 0x11111110)] // bit mask: the rest from the latches
    [InlineData(3, 0x0F, 0x0A, 0xFF, 0x1F101F10)] // mode 3: set/reset where the data has ones
    public void Planes_WriteModes_CombineDataAndLatches(int mode, byte data, byte setReset, byte mask, uint expected)
    {
        SetPlanarMode();
        FillPlanes(0x1111_1111);
        _window.ReadMmio(0, AccessWidth.Byte);
        Register(0x3CE, 5, (byte)mode);
        Register(0x3CE, 0, setReset);
        Register(0x3CE, 8, mask);

        _window.WriteMmio(0, AccessWidth.Byte, data);

        Assert.Equal(mask == 0x0F ? 0x1010_1010u : expected, BitConverter.ToUInt32(_vga.Memory.Slice(0, 4)));
    }

    [Fact]
    public void Planes_WriteModeOne_CopiesAllPlanesAtOnce()
    {
        SetPlanarMode();
        FillPlanes(0x0403_0201);
        Register(0x3CE, 5, 1);

        _window.ReadMmio(0, AccessWidth.Byte);
        _window.WriteMmio(100, AccessWidth.Byte, 0);

        Assert.Equal(0x0403_0201u, BitConverter.ToUInt32(_vga.Memory.Slice(400, 4)));
    }

    [Fact]
    public void Planes_ReadModes_GiveAPlaneOrAComparison()
    {
        SetPlanarMode();
        FillPlanes(0x0F00_00FF);
        Register(0x3CE, 4, 3);
        Assert.Equal(0x0FUL, _window.ReadMmio(0, AccessWidth.Byte));

        Register(0x3CE, 5, 8);
        Register(0x3CE, 2, 0b1001);
        Register(0x3CE, 7, 0b1111);

        Assert.Equal(0x0FUL, _window.ReadMmio(0, AccessWidth.Byte));
    }

    [Fact]
    public void Planar_Pixel_HasABitOfEachPlane()
    {
        SetPlanarMode();
        FillPlanes(0x8000_0080); // planes 0 and 3: colour 9
        SetColor(9, 0x3F, 0, 0);

        ScreenPicture picture = Look();

        Assert.Equal((640, 480, 0xFF0000u, 0u), (picture.Width, picture.Height, picture.Pixels[0], picture.Pixels[1]));
    }

    [Fact]
    public void ChainedBytes_ArePixelsOf256Colors()
    {
        SetChainedMode();
        SetColor(200, 0, 0x3F, 0);

        _window.WriteMmio((2 * 320) + 5, AccessWidth.Byte, 200);

        ScreenPicture picture = Look();
        Assert.Equal((320, 200, 0xFF00u), (picture.Width, picture.Height, picture.Pixels[(2 * 320) + 5]));
    }

    [Fact]
    public void Window_MemoryMapOfText_LeavesTheRestAlone()
    {
        SetTextMode();

        _window.WriteMmio(0, AccessWidth.Byte, 5);

        Assert.Equal(0xFFUL, _window.ReadMmio(0, AccessWidth.Byte));
        Assert.False(_vga.Memory.Slice(0, 0x1000).ContainsAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(8, new byte[] { 3 }, 0x00FF00u)]
    [InlineData(15, new byte[] { 0x00, 0x7C }, 0xFF0000u)]
    [InlineData(16, new byte[] { 0xE0, 0x07 }, 0x00FF00u)]
    [InlineData(24, new byte[] { 1, 2, 3 }, 0x030201u)]
    [InlineData(32, new byte[] { 1, 2, 3, 0xFF }, 0x030201u)]
    public void Vbe_ModeOfEachDepth_ShowsTheFramebuffer(int depth, byte[] pixel, uint expected)
    {
        SetColor(3, 0, 0x3F, 0);
        SetVbeMode(320, 200, depth);

        pixel.CopyTo(_vga.Memory.Slice((ulong)pixel.Length, pixel.Length));

        ScreenPicture picture = Look();
        Assert.Equal((320, 200, expected), (picture.Width, picture.Height, picture.Pixels[1]));
    }

    [Fact]
    public void Vbe_Offsets_PanOverAWiderScreen()
    {
        SetVbeMode(320, 200, 32);
        Vbe(6, 640);
        Vbe(8, 16);
        Vbe(9, 3);
        BitConverter.TryWriteBytes(_vga.Memory.Slice((ulong)((((3 * 640) + 16) * 4)), 4), 0x123456);

        Assert.Equal(0x123456u, Look().Pixels[0]);
    }

    [Theory]
    [InlineData(2000, 1600, 32)] // more than there is memory
    [InlineData(0, 0, 0)]
    public void Vbe_ImpossibleMode_StaysOff(int width, int height, int depth)
    {
        SetVbeMode(width, height, depth);

        Assert.Equal(0u, ReadVbe(4) & 1);
    }

    [Fact]
    public void Vbe_Identity_AndMemory()
    {
        Assert.Equal(0xB0C5u, ReadVbe(0));
        Assert.Equal(64u, ReadVbe(10));
        Vbe(4, 2);
        Assert.Equal(2560u, ReadVbe(1));
    }

    [Fact]
    public void Vbe_BankedWindow_LeadsToItsBank()
    {
        SetVbeMode(640, 480, 32);
        Register(0x3CE, 6, 0x05);
        _ports.Write(0x3C2, AccessWidth.Byte, 3);
        Vbe(5, 2);

        _window.WriteMmio(4, AccessWidth.Dword, 0xAABBCCDD);

        Assert.Equal(0xAABBCCDDu, BitConverter.ToUInt32(_vga.Memory.Slice(0x2_0004, 4)));
    }

    [Fact]
    public void Dac_ReadBehindWrite_GivesTheColor()
    {
        SetColor(77, 1, 2, 0xFF);
        _ports.Write(0x3C7, AccessWidth.Byte, 77);

        Assert.Equal([1u, 2u, 0x3Fu], Enumerable.Range(0, 3).Select(_ => _ports.Read(0x3C9, AccessWidth.Byte)));
    }

    [Fact]
    public void Status_Beam_MovesWithTime()
    {
        _ports.Write(0x3C2, AccessWidth.Byte, 1);
        HashSet<uint> seen = [];
        for (int i = 0; i < 2000; i++)
        {
            seen.Add(_ports.Read(0x3DA, AccessWidth.Byte) & 9);
            _clock.Advance(10_000);
        }

        Assert.Equal([0u, 1u, 9u], seen.Order());
    }

    [Fact]
    public void CrtcPorts_OfTheOtherAdapter_ReadAllOnes()
    {
        _ports.Write(0x3C2, AccessWidth.Byte, 1);
        Assert.Equal(0xFFu, _ports.Read(0x3B5, AccessWidth.Byte));

        _ports.Write(0x3C2, AccessWidth.Byte, 0);
        Assert.Equal((0xFFu, 0u), (_ports.Read(0x3D5, AccessWidth.Byte), _ports.Read(0x3B5, AccessWidth.Byte)));
    }

    [Fact]
    public void ScreenOff_AnyMode_IsBlack()
    {
        SetTextMode();
        WriteText(0, "x");
        SetColor(7, 0x3F, 0x3F, 0x3F);

        Register(0x3C4, 1, 0x20);

        Assert.False(Look().Pixels.ContainsAnyExcept(0u));
    }

    [Fact]
    public void RegisterWindow_Vbe_IsTheSameAsThePorts()
    {
        _vga.RegisterWindow.WriteMmio(0x502, AccessWidth.Word, 640);

        Assert.Equal(640u, ReadVbe(1));
        Assert.Equal(640UL, _vga.RegisterWindow.ReadMmio(0x502, AccessWidth.Word));
    }

    [Fact]
    public void Vga_InTextMode_HoldsTheContract()
    {
        using Vga small = new(_clock, Vga.SmallestMemory);
        small.CommonPorts.Out(8, 3);
        small.CommonPorts.Out(9, 4);
        small.CommonPorts.Out(9, 5);

        UnitContract.Check(small, (property, old) => property.Name switch
        {
            nameof(VgaState.Vbe) => (ushort[])[0xB0C0, 640, 480, 8, 0, 1, 0, 0, 0, 0, 0],
            nameof(VgaState.DacComponent) => (byte)1,
            _ => null,
        });
    }

    [Fact]
    public void State_OfAPicture_ShowsTheSameElsewhere()
    {
        SetChainedMode();
        SetColor(9, 0x3F, 0x3F, 0x3F);
        _window.WriteMmio(1000, AccessWidth.Dword, 0x0909_0909);
        using Vga other = new(_clock, 4 << 20);

        StateWriter writer = new();
        ((IUnit)_vga).Save(writer);
        ((IUnit)other).Load(new StateReader(writer.ToArray(), "vga"));
        ScreenPicture copy = new();
        other.Update(copy, []);

        Assert.Equal(Look().Pixels.ToArray(), copy.Pixels.ToArray());
        Assert.InRange(writer.Length, 4096, 3 * 4096); // pages of zeros are left out
    }

    [Fact]
    public void LoadState_ModeThatTheMemoryDoesNotHold_IsRefused()
    {
        VgaState state = _vga.SaveState();
        state.Vbe = [0xB0C5, 2560, 1600, 32, 1, 0, 2560, 1600, 0, 0, 0];

        Assert.Throws<StateException>(() => _vga.LoadState(state));
    }

    [Fact]
    public void Registers_RandomUse_NeverThrowAndAlwaysShow()
    {
        Random random = new(1302);
        ScreenPicture picture = new();
        int[] ports = [0x3B4, 0x3C0, 0x3C2, 0x3C4, 0x3C5, 0x3C7, 0x3C8, 0x3C9, 0x3CE, 0x3CF, 0x3D4, 0x3D5, 0x1CE, 0x1CF];
        for (int i = 0; i < 40_000; i++)
        {
            int port = ports[random.Next(ports.Length)];
            switch (random.Next(8))
            {
                case 0:
                    _ports.Read((ushort)(port + random.Next(7)), AccessWidth.Byte);
                    break;
                case 1:
                    _window.ReadMmio((ulong)random.Next(0x1FFF8), AccessWidth.Qword);
                    break;
                case 2:
                    _window.WriteMmio((ulong)random.Next(0x1FFF8), AccessWidth.Dword, (ulong)random.NextInt64());
                    break;
                case 3 when port >= 0x1CE:
                    Vbe(random.Next(12), (ushort)(random.Next(4) == 0 ? random.Next(65536) : random.Next(12) * 8));
                    break;
                default:
                    _ports.Write((ushort)port, random.Next(2) == 0 ? AccessWidth.Word : AccessWidth.Byte, (uint)random.Next(65536));
                    break;
            }

            if (i % 400 == 0)
            {
                _vga.Update(picture, []);
                _vga.ReadText();
            }
        }

        StateWriter writer = new();
        ((IUnit)_vga).Save(writer);
        ((IUnit)_vga).Load(new StateReader(writer.ToArray(), "vga"));
    }

    public void Dispose() => _vga.Dispose();

    private ScreenPicture Look()
    {
        ScreenPicture picture = new();
        _vga.Update(picture, []);
        return picture;
    }

    private void Register(int port, byte index, byte value) => _ports.Write((ushort)port, AccessWidth.Word, index | ((uint)value << 8));

    private void Attribute(byte index, byte value)
    {
        _ports.Read(0x3DA, AccessWidth.Byte);
        _ports.Write(0x3C0, AccessWidth.Byte, index);
        _ports.Write(0x3C0, AccessWidth.Byte, value);
    }

    private void SetColor(int index, byte red, byte green, byte blue)
    {
        _ports.Write(0x3C8, AccessWidth.Byte, (uint)index);
        foreach (byte component in (byte[])[red, green, blue])
        {
            _ports.Write(0x3C9, AccessWidth.Byte, component);
        }
    }

    private void Vbe(int index, ushort value)
    {
        _ports.Write(0x1CE, AccessWidth.Word, (uint)index);
        _ports.Write(0x1CF, AccessWidth.Word, value);
    }

    private uint ReadVbe(int index)
    {
        _ports.Write(0x1CE, AccessWidth.Word, (uint)index);
        return _ports.Read(0x1CF, AccessWidth.Word);
    }

    private void SetVbeMode(int width, int height, int depth)
    {
        Vbe(1, (ushort)width);
        Vbe(2, (ushort)height);
        Vbe(3, (ushort)depth);
        Vbe(4, 1);
    }

    private void SetMode(byte misc, byte clocking, byte memoryMode, byte graphicsMode, byte graphicsMisc, byte[] crtc)
    {
        _ports.Write(0x3C2, AccessWidth.Byte, misc);
        Register(0x3C4, 1, clocking);
        Register(0x3C4, 2, 0x0F);
        Register(0x3C4, 4, memoryMode);
        Register(0x3CE, 5, graphicsMode);
        Register(0x3CE, 6, graphicsMisc);
        Register(0x3CE, 8, 0xFF);
        for (byte i = 0; i < crtc.Length; i++)
        {
            Register(0x3D4, i, crtc[i]);
        }

        for (byte i = 0; i < 16; i++)
        {
            Attribute(i, i);
        }

        Attribute(0x10, (byte)(graphicsMisc & 1));
        Attribute(0x12, 0x0F);
        _ports.Read(0x3DA, AccessWidth.Byte);
        _ports.Write(0x3C0, AccessWidth.Byte, 0x20);
    }

    /// <summary>Mode 3: 80 columns, 25 rows of 16 lines.</summary>
    private void SetTextMode()
    {
        SetMode(
            0x67, 0x00, 0x02, 0x10, 0x0E,
            [
                0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00, 0x4F, 0x0D, 0x0E, 0, 0, 0, 0, 0x9C, 0x0E, 0x8F, 0x28, 0x1F, 0x96,
                0xB9, 0xA3, 0xFF]);
        Register(0x3C4, 2, 0x03); // planes of characters and attributes
    }

    /// <summary>Mode 12h: 640 by 480 in 16 colours.</summary>
    private void SetPlanarMode() => SetMode(
        0xE3, 0x01, 0x06, 0x00, 0x05,
        [
            0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0x0B, 0x3E, 0x00, 0x40, 0, 0, 0, 0, 0, 0, 0xEA, 0x0C, 0xDF, 0x28, 0x00, 0xE7, 0x04, 0xE3,
            0xFF]);

    /// <summary>Mode 13h: 320 by 200 in 256 colours.</summary>
    private void SetChainedMode() => SetMode(
        0x63, 0x01, 0x0E, 0x40, 0x05,
        [
            0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0xBF, 0x1F, 0x00, 0x41, 0, 0, 0, 0, 0, 0, 0x9C, 0x0E, 0x8F, 0x28, 0x40, 0x96, 0xB9, 0xA3,
            0xFF]);

    private void FillPlanes(uint value) => BitConverter.TryWriteBytes(_vga.Memory.Slice(0, 4), value);

    private void SetFont(char character, byte[] lines)
    {
        for (int i = 0; i < lines.Length; i++)
        {
            _vga.Memory.Slice((ulong)((((character * 32) + i) * 4) + 2), 1)[0] = lines[i];
        }
    }

    private void WriteText(int cell, string text, byte attribute = 7)
    {
        foreach (char character in text)
        {
            _window.WriteMmio((ulong)(TextWindow + (cell++ * 2)), AccessWidth.Word, (byte)character | ((ulong)attribute << 8));
        }
    }
}
