using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Display;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Time;
using static Strata.Devices.Display.VgaRegisters;

namespace Strata.Devices.Display;

/// <summary>
/// A VGA with the Bochs display interface: registers, memory, and what shows. The memory is four planes side by side: byte 4n + p is byte n
/// of plane p, so that a chained mode and a linear framebuffer are one thing. IBM PS/2 Hardware Interface Technical Reference, "Video
/// Subsystem"; Bochs documentation, "VBE DISPI Interface".
/// </summary>
public sealed partial class Vga : IUnit<VgaState>, IScreen, IDisposable
{
    /// <summary>Bytes of the least memory: four planes of 64 KiB.</summary>
    public const int SmallestMemory = 256 << 10;

    // Wiring
    private readonly IVirtualClock _clock;
    private readonly VbeRegisters _vbe;

    // Guest-visible state, all under _gate but for the memory, which processors write as they write RAM
    private readonly Lock _gate = new();
    private readonly byte[] _sequencer = new byte[SequencerCount];
    private readonly byte[] _graphics = new byte[GraphicsCount];
    private readonly byte[] _attributes = new byte[AttributeCount];
    private readonly byte[] _crtc = new byte[CrtcCount];
    private readonly byte[] _dac = new byte[DacBytes];
    private readonly byte[] _dacLatch = new byte[2]; // components that wait for the third
    private byte _sequencerIndex;
    private byte _graphicsIndex;
    private byte _attributeIndex;
    private byte _crtcIndex;
    private byte _miscellaneous;
    private byte _feature;
    private byte _pixelMask;
    private byte _dacReadIndex;
    private byte _dacWriteIndex;
    private byte _dacComponent; // 0..2, of reads and writes together
    private bool _dacReads;
    private bool _attributeHoldsData; // the flip-flop
    private ushort _vbeIndex;
    private uint _latch;

    // Of those who look, under _gate
    private bool _hasTold; // that something changed, and nobody has looked since
    private long _version; // of what shows

    // Of those who read text in pictures, under _reading, which comes before _gate
    private readonly Lock _reading = new();
    private readonly ScreenPicture _readPicture = new();
    private readonly List<ScreenRectangle> _readChanges = [];
    private PictureText? _pictureText;

    /// <param name="memorySize">Bytes; a power of two, 256 KiB to 1 GiB.</param>
    public Vga(IVirtualClock clock, int memorySize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(memorySize, SmallestMemory);
        _clock = clock;
        Memory = new GuestMemory((ulong)memorySize);
        _written = new PageBitmap(Memory.Pages);
        _vbe = new VbeRegisters(memorySize);
        Reset();
    }

    /// <summary>The display's program for firmware, whose fonts text in graphics modes is read by.</summary>
    public ReadOnlyMemory<byte> Program { get; init; }

    /// <summary>Searches for the fonts of the system that draws, where its text is in none of those; null for no search.</summary>
    public Func<IReadOnlyList<ScreenFont>>? FindFonts { get; init; }

    /// <summary>The video memory.</summary>
    public GuestMemory Memory { get; }

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public bool ChangesUnnoticed
    {
        get
        {
            lock (_gate)
            {
                return _vbe.IsEnabled || _form.Kind != WindowKind.Device;
            }
        }
    }

    private Span<byte> Bytes => Memory.Slice(0, (int)Memory.Size);

    /// <summary>Frees the video memory; nobody shows it or writes to it any more.</summary>
    public void Dispose()
    {
        Memory.Dispose();
        _text.Dispose();
    }

    private uint ReadPlanes(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Memory.Slice((ulong)offset * 4, 4));

    /// <summary>Under _gate.</summary>
    private void NoteChange()
    {
        _version++;
        if (!_hasTold)
        {
            _hasTold = true;
            Changed?.Invoke();
        }
    }
}
