using System.Runtime.InteropServices;
using Strata.Core.Memory;
using static Strata.Devices.Display.VgaRegisters;

namespace Strata.Devices.Display;

/// <content>
/// The window as memory, where the mode leaves accesses as they are: in a chained mode and in banks of the display interface it is a piece
/// of the video memory; in a text mode, whose characters and attributes lie in every fourth byte of that, a memory of its own, from which
/// the planes get them when somebody looks at them. Every other mode has the device.
/// </content>
public sealed partial class Vga
{
    private const int TextSizeInBytes = 0x8000;

    /// <summary>
    /// Accesses to the device in a mode that could do without it, before memory shows: programs that switch between modes for each
    /// character or pixel do not switch the map each time.
    /// </summary>
    private const int AccessesBefore = 128;

    private const byte TextPlanes = 3;
    private const byte FontPlanes = 0xC;

    // What processors write in text modes while it shows
    private readonly GuestMemory _text = new(TextSizeInBytes);

    // Under _looking, which comes before _gate: pages that have been found written, of which only the number counts
    private readonly Lock _looking = new();
    private readonly PageBitmap _writtenText = new(TextSizeInBytes >> GuestMemory.PageShift);
    private readonly PageBitmap _written;

    // Under _gate
    private WindowForm _form; // what shows in the device's place
    private int _accesses;

    /// <summary>The window, where memory can show in its place; null for the device alone.</summary>
    public IMemoryAperture? Aperture { get; init; }

    private enum WindowKind
    {
        Device,
        Linear,
        Text,
    }

    /// <summary>Memory that the processor could reach without the device, in the mode of now.</summary>
    private WindowForm FindForm()
    {
        if ((_miscellaneous & MiscMemory) == 0)
        {
            return default;
        }

        int map = (_graphics[GraphicsMisc] >> 2) & 3;
        (ulong offset, ulong length) = map switch
        {
            0 => (0UL, WindowSize),
            1 => (0UL, 0x1_0000UL),
            2 => (0x1_0000UL, 0x8000UL),
            _ => (0x1_8000UL, 0x8000UL),
        };
        bool isChained = (_sequencer[MemoryMode] & ChainFour) != 0;
        if (IsBanked || (isChained && (_sequencer[MapMask] & 0xF) == 0xF))
        {
            ulong start = map == 1 && _vbe.IsEnabled ? (ulong)_vbe.BankStart : 0;
            return start + length <= Memory.Size ? new WindowForm(WindowKind.Linear, offset, start, length) : default;
        }

        return !isChained && length == TextSizeInBytes && LeavesTextAsItIs
            ? new WindowForm(WindowKind.Text, offset, 0, length)
            : default;
    }

    /// <summary>Even addresses are plane 0 and odd ones plane 1, for reads and for writes, and nothing changes the bytes.</summary>
    private bool LeavesTextAsItIs =>
        (_sequencer[MemoryMode] & SequentialAccess) == 0
        && (_sequencer[MapMask] & (TextPlanes | FontPlanes)) == TextPlanes
        && (_graphics[GraphicsMode] & (OddEven | ReadCompare | 3)) == OddEven
        && (_graphics[ReadMap] & 2) == 0
        && (_graphics[EnableSetReset] & 0xF) == 0
        && (_graphics[DataRotate] & 0x1F) == 0
        && _graphics[BitMask] == byte.MaxValue;

    /// <summary>An access has reached the device: enough of them, and memory shows. Under _gate.</summary>
    private void CountAccess()
    {
        if (Aperture is null || ++_accesses < AccessesBefore)
        {
            return;
        }

        _accesses = 0;
        WindowForm form = FindForm();
        if (form.Kind == WindowKind.Device || form == _form)
        {
            return;
        }

        if (form.Kind == WindowKind.Text)
        {
            TakeText();
        }

        _form = form;
        Aperture.Show(form.Offset, form.Kind == WindowKind.Text ? _text : Memory, form.Start, form.Length);
        NoteChange(); // whoever looks has to poll from now on
    }

    /// <summary>Registers have changed: memory goes on showing only in the same form. Under _gate.</summary>
    private void ReviewWindow()
    {
        if (_form.Kind != WindowKind.Device && FindForm() != _form)
        {
            TakeWindowBack();
        }
    }

    /// <summary>The device serves the window again. Under _gate.</summary>
    private void TakeWindowBack()
    {
        if (_form.Kind != WindowKind.Device)
        {
            Aperture!.Hide();
            GiveText();
            (_form, _accesses) = (default, 0);
        }
    }

    /// <summary>
    /// Whether processors have written, unnoticed, to memory that shows since this was last asked. Under _looking alone: vCPUs give up
    /// their rights to write, and one may be waiting for _gate.
    /// </summary>
    private bool HasBeenWritten()
    {
        GuestMemory? watched;
        lock (_gate)
        {
            watched = _form.Kind == WindowKind.Text ? _text
                : _form.Kind == WindowKind.Linear || _vbe.IsEnabled ? Memory
                : null;
        }

        return watched is not null && watched.HarvestDirty(watched == _text ? _writtenText : _written) != 0;
    }

    /// <summary>Characters and attributes from the planes. Under _gate.</summary>
    private void TakeText()
    {
        ReadOnlySpan<uint> planes = MemoryMarshal.Cast<byte, uint>(Memory.Slice(0, TextSizeInBytes * 2));
        using DmaWrite write = _text.BeginWrite(0, TextSizeInBytes);
        Span<ushort> cells = MemoryMarshal.Cast<byte, ushort>(write.Span);
        for (int i = 0; i < cells.Length; i++)
        {
            cells[i] = (ushort)planes[i];
        }
    }

    /// <summary>Brings the planes up to what processors have written as text. Under _gate.</summary>
    private void GiveText()
    {
        if (_form.Kind != WindowKind.Text)
        {
            return;
        }

        ReadOnlySpan<ushort> cells = MemoryMarshal.Cast<byte, ushort>(_text.Slice(0, TextSizeInBytes));
        using DmaWrite write = Memory.BeginWrite(0, TextSizeInBytes * 2);
        Span<uint> planes = MemoryMarshal.Cast<byte, uint>(write.Span);
        for (int i = 0; i < cells.Length; i++)
        {
            planes[i] = (planes[i] & 0xFFFF_0000) | cells[i];
        }
    }

    /// <param name="Offset">Into the window.</param>
    /// <param name="Start">Bytes from the start of the memory.</param>
    private readonly record struct WindowForm(WindowKind Kind, ulong Offset, ulong Start, ulong Length);
}
