using System.Text;
using Strata.Core.Bus;
using Strata.Core.Display;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.Devices.Display;

namespace Strata.Devices.Tests.Display;

/// <summary>The window as memory: what processors write there without the device shows, and the planes have it afterwards.</summary>
public sealed class VgaApertureTests : IDisposable
{
    private const int TextWindow = 0x1_8000;
    private const int Enough = 200;

    private readonly RecordedAperture _aperture = new();
    private readonly Vga _vga;
    private readonly PortSpace _ports = new();

    public VgaApertureTests()
    {
        _vga = new Vga(new ManualClock(), 4 << 20) { Aperture = _aperture };
        _ports.Map(0x3C0, 16, _vga.CommonPorts);
        _ports.Map(0x3D4, 7, _vga.ColorPorts);
        _ports.Map(0x1CE, 3, _vga.VbePorts);
        _ports.Write(0x3C2, AccessWidth.Byte, 3); // memory, colour
    }

    [Fact]
    public void Text_WrittenOften_ShowsMemoryWithWhatWasWritten()
    {
        SetTextMode();

        Touch(TextWindow);

        Assert.Equal((0x1_8000UL, 0x8000UL), (_aperture.Offset, _aperture.Length));
        Assert.Equal("A\x07", Encoding.Latin1.GetString(_aperture.Bytes[..2]));
    }

    [Fact]
    public void Text_WrittenToMemory_IsReadPaintedAndSaved()
    {
        SetTextMode();
        Touch(TextWindow);

        "H\x07i\x07"u8.CopyTo(_aperture.Bytes);

        Assert.StartsWith("Hi", _vga.ReadText()!.ToString(), StringComparison.Ordinal);
        Assert.Equal([(byte)'H', 7, 0, 0, (byte)'i', 7, 0, 0], _vga.SaveState().Memory[..8]);
        Assert.True(_vga.ChangesUnnoticed);
    }

    /// <summary>A font is loaded: the text stays, and its planes do as they did.</summary>
    [Fact]
    public void Text_PlanesAreMapped_DeviceHasWhatMemoryHad()
    {
        SetTextMode();
        Touch(TextWindow);
        "Hi"u8.CopyTo(_aperture.Bytes);

        Register(0x3C4, 2, 4); // map mask: plane 2
        Register(0x3C4, 4, 6); // no odd/even
        _vga.Window.WriteMmio(TextWindow, AccessWidth.Byte, 0x5A);

        Assert.Null(_aperture.Memory);
        Assert.Equal([(byte)'H', (byte)'i', 0x5A, 0], _vga.SaveState().Memory[..4]);
    }

    [Fact]
    public void Text_LoadedWhileMemoryShows_IsTheLoadedOne()
    {
        SetTextMode();
        VgaState empty = _vga.SaveState();
        Touch(TextWindow);
        "Hi"u8.CopyTo(_aperture.Bytes);

        _vga.LoadState(empty);

        Assert.Null(_aperture.Memory);
        Assert.Equal(empty.Memory, _vga.SaveState().Memory);
    }

    /// <summary>The mode's memory is cleared when it begins: text must not come into it behind that.</summary>
    [Fact]
    public void Text_ModeOfTheDisplayInterfaceBegins_ItsMemoryIsClear()
    {
        SetTextMode();
        Touch(TextWindow);

        foreach ((int index, ushort value) in ((int, ushort)[])[(1, 640), (2, 480), (3, 8), (4, 1)])
        {
            Vbe(index, value);
        }

        Assert.False(_vga.SaveState().Memory.AsSpan(0, 640 * 480).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void ChainedMode_WrittenOften_ShowsTheVideoMemory()
    {
        Register(0x3C4, 2, 0xF);
        Register(0x3C4, 4, 0xE);
        Register(0x3CE, 6, 5);

        Touch(0);

        Assert.Equal((0UL, 0UL, 0x1_0000UL), (_aperture.Offset, _aperture.Start, _aperture.Length));
        Assert.Same(_vga.Memory, _aperture.Memory);
    }

    [Fact]
    public void Banks_Changed_ShowTheOtherPieceOfVideoMemory()
    {
        Register(0x3CE, 6, 5);
        foreach ((int index, ushort value) in ((int, ushort)[])[(1, 640), (2, 480), (3, 8), (4, 1), (5, 2)])
        {
            Vbe(index, value);
        }

        Touch(0);
        ulong first = _aperture.Start;
        Vbe(5, 3);
        bool isHidden = _aperture.Memory is null;
        Touch(0);

        Assert.Equal((0x2_0000UL, true, 0x3_0000UL), (first, isHidden, _aperture.Start));
    }

    [Theory]
    [InlineData(0x3C4, 2, 1)] // one plane only
    [InlineData(0x3CE, 1, 1)] // set/reset
    [InlineData(0x3CE, 3, 8)] // AND with the latch
    [InlineData(0x3CE, 4, 2)] // planes 2 and 3 are read
    [InlineData(0x3CE, 5, 0x11)] // write mode 1
    [InlineData(0x3CE, 8, 0x7F)] // bit mask
    public void Text_WrittenOftenInAModeThatChangesBytes_StaysTheDevice(int port, byte index, byte value)
    {
        SetTextMode();
        Register(port, index, value);

        Touch(TextWindow);

        Assert.Null(_aperture.Memory);
    }

    /// <summary>A picture that shows everything already is not painted again, and is once memory was written.</summary>
    [Fact]
    public void Update_MemoryWrittenUnnoticed_IsFoundAndOnlyThenPainted()
    {
        SetTextMode();
        Touch(TextWindow);
        ScreenPicture picture = new();
        List<ScreenRectangle> changed = [];
        _vga.Update(picture, changed);
        picture.Pixels[0] = 0x123456; // painting would overwrite it

        _vga.Update(picture, changed);
        uint kept = picture.Pixels[0];
        using (DmaWrite write = _aperture.Memory!.BeginWrite(0, 2))
        {
            (write.Span[0], write.Span[1]) = (0xDB, 0x70);
        }

        _vga.Update(picture, changed);

        Assert.Equal((0x123456u, 0u), (kept, picture.Pixels[0]));
    }

    public void Dispose() => _vga.Dispose();

    private void SetTextMode()
    {
        Register(0x3C4, 1, 0);
        Register(0x3C4, 2, 3);
        Register(0x3C4, 4, 2);
        Register(0x3CE, 5, 0x10);
        Register(0x3CE, 6, 0xE);
        Register(0x3CE, 8, 0xFF);
        foreach ((byte index, byte value) in ((byte, byte)[])[
            (1, 79), (7, 0x1F), (9, 0x4F), (0x12, 0x8F), (0x13, 40), (0x17, 0xA3), (0x18, 0xFF)])
        {
            Register(0x3D4, index, value);
        }

        _ports.Write(0x3C0, AccessWidth.Byte, 0x20);
    }

    private void Touch(int offset)
    {
        for (int i = 0; i < Enough; i++)
        {
            _vga.Window.WriteMmio((ulong)offset, AccessWidth.Word, 0x0741);
        }
    }

    private void Register(int port, byte index, byte value) =>
        _ports.Write((ushort)port, AccessWidth.Word, (uint)((value << 8) | index));

    private void Vbe(int index, ushort value)
    {
        _ports.Write(0x1CE, AccessWidth.Word, (uint)index);
        _ports.Write(0x1CF, AccessWidth.Word, value);
    }

    private sealed class RecordedAperture : IMemoryAperture
    {
        public GuestMemory? Memory { get; private set; }

        public ulong Offset { get; private set; }

        public ulong Start { get; private set; }

        public ulong Length { get; private set; }

        public Span<byte> Bytes => Memory!.Slice(Start, (int)Length);

        public void Show(ulong offset, GuestMemory memory, ulong start, ulong length) =>
            (Offset, Memory, Start, Length) = (offset, memory, start, length);

        public void Hide() => Memory = null;
    }
}
