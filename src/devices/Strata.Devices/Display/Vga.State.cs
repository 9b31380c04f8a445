using Strata.Core.Memory;
using Strata.Core.State;
using static Strata.Devices.Display.VgaRegisters;

namespace Strata.Devices.Display;

/// <summary>State of a VGA; the registers' names are the manual's.</summary>
public sealed class VgaState : IStateRecord<VgaState>
{
    private const int Page = (int)GuestMemory.PageSize;

    public static ushort Version => 1;

    public required byte[] Sequencer { get; set; }

    public required byte[] Graphics { get; set; }

    public required byte[] Attributes { get; set; }

    public required byte[] Crtc { get; set; }

    public required byte[] Dac { get; set; }

    /// <summary>Red and green of a colour whose blue has not been written.</summary>
    public required byte[] DacLatch { get; set; }

    /// <summary>Registers of the Bochs display interface.</summary>
    public required ushort[] Vbe { get; set; }

    public required byte SequencerIndex { get; set; }

    public required byte GraphicsIndex { get; set; }

    public required byte AttributeIndex { get; set; }

    public required byte CrtcIndex { get; set; }

    public required byte Miscellaneous { get; set; }

    public required byte Feature { get; set; }

    public required byte PixelMask { get; set; }

    public required byte DacReadIndex { get; set; }

    public required byte DacWriteIndex { get; set; }

    /// <summary>Component of a colour that comes next: 0 red, 1 green, 2 blue.</summary>
    public required byte DacComponent { get; set; }

    /// <summary>The DAC was set to be read last.</summary>
    public required bool DacReads { get; set; }

    /// <summary>The next write to the attribute controller is data.</summary>
    public required bool AttributeHoldsData { get; set; }

    public required ushort VbeIndex { get; set; }

    /// <summary>The bytes that the last read left, a byte a plane.</summary>
    public required uint Latch { get; set; }

    /// <summary>The video memory.</summary>
    public required byte[] Memory { get; set; }

    public static VgaState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new VgaState
        {
            Sequencer = reader.ReadExactly<byte>(nameof(Sequencer), SequencerCount),
            Graphics = reader.ReadExactly<byte>(nameof(Graphics), GraphicsCount),
            Attributes = reader.ReadExactly<byte>(nameof(Attributes), AttributeCount),
            Crtc = reader.ReadExactly<byte>(nameof(Crtc), CrtcCount),
            Dac = reader.ReadExactly<byte>(nameof(Dac), DacBytes),
            DacLatch = reader.ReadExactly<byte>(nameof(DacLatch), 2),
            Vbe = reader.ReadExactly<ushort>(nameof(Vbe), VbeRegisters.Count),
            SequencerIndex = reader.Read<byte>(nameof(SequencerIndex)),
            GraphicsIndex = reader.Read<byte>(nameof(GraphicsIndex)),
            AttributeIndex = reader.Read<byte>(nameof(AttributeIndex)),
            CrtcIndex = reader.Read<byte>(nameof(CrtcIndex)),
            Miscellaneous = reader.Read<byte>(nameof(Miscellaneous)),
            Feature = reader.Read<byte>(nameof(Feature)),
            PixelMask = reader.Read<byte>(nameof(PixelMask)),
            DacReadIndex = reader.Read<byte>(nameof(DacReadIndex)),
            DacWriteIndex = reader.Read<byte>(nameof(DacWriteIndex)),
            DacComponent = reader.Read<byte>(nameof(DacComponent), 0, 2),
            DacReads = reader.ReadBoolean(nameof(DacReads)),
            AttributeHoldsData = reader.ReadBoolean(nameof(AttributeHoldsData)),
            VbeIndex = reader.Read<ushort>(nameof(VbeIndex)),
            Latch = reader.Read<uint>(nameof(Latch)),
            Memory = ReadMemory(reader),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<byte>(Sequencer);
        writer.WriteArray<byte>(Graphics);
        writer.WriteArray<byte>(Attributes);
        writer.WriteArray<byte>(Crtc);
        writer.WriteArray<byte>(Dac);
        writer.WriteArray<byte>(DacLatch);
        writer.WriteArray<ushort>(Vbe);
        foreach (
            byte value in (ReadOnlySpan<byte>)[SequencerIndex, GraphicsIndex, AttributeIndex, CrtcIndex, Miscellaneous, Feature, PixelMask])
        {
            writer.Write(value);
        }

        writer.Write(DacReadIndex);
        writer.Write(DacWriteIndex);
        writer.Write(DacComponent);
        writer.Write(DacReads);
        writer.Write(AttributeHoldsData);
        writer.Write(VbeIndex);
        writer.Write(Latch);
        WriteMemory(writer);
    }

    /// <summary>Most of a memory was never used: pages of zeros are left out.</summary>
    private void WriteMemory(StateWriter writer)
    {
        int[] used = [.. Enumerable.Range(0, Memory.Length / Page).Where(page => PageAt(page).ContainsAnyExcept((byte)0))];
        writer.Write(Memory.Length / Page);
        writer.WriteArray<int>(used);
        foreach (int page in used)
        {
            writer.WriteFixed(PageAt(page));
        }
    }

    private Span<byte> PageAt(int page) => Memory.AsSpan(page * Page, Page);

    private static byte[] ReadMemory(StateReader reader)
    {
        int pages = reader.Read<int>(nameof(Memory), Vga.SmallestMemory / Page, UnitRoster.LargestRecord / Page);
        int[] used = reader.ReadArray<int>(nameof(Memory), pages);
        byte[] memory = new byte[pages * Page];
        foreach (int page in used)
        {
            if ((uint)page >= (uint)pages)
            {
                throw reader.Refuse(nameof(Memory), $"has no page {page}");
            }

            reader.ReadFixed(nameof(Memory), memory.AsSpan(page * Page, Page));
        }

        return memory;
    }
}

public sealed partial class Vga
{
    /// <inheritdoc/>
    public string UnitName => "vga";

    /// <inheritdoc/>
    public void Reset() => LoadState(new VgaState
    {
        Sequencer = new byte[SequencerCount],
        Graphics = new byte[GraphicsCount],
        Attributes = new byte[AttributeCount],
        Crtc = new byte[CrtcCount],
        Dac = new byte[DacBytes],
        DacLatch = new byte[2],
        Vbe = VbeRegisters.AtReset(),
        SequencerIndex = 0,
        GraphicsIndex = 0,
        AttributeIndex = 0,
        CrtcIndex = 0,
        Miscellaneous = 0,
        Feature = 0,
        PixelMask = 0xFF,
        DacReadIndex = 0,
        DacWriteIndex = 0,
        DacComponent = 0,
        DacReads = false,
        AttributeHoldsData = false,
        VbeIndex = 0,
        Latch = 0,
        Memory = new byte[(int)Memory.Size],
    });

    /// <inheritdoc/>
    public VgaState SaveState()
    {
        lock (_gate)
        {
            GiveText();
            return new VgaState
            {
                Sequencer = [.. _sequencer],
                Graphics = [.. _graphics],
                Attributes = [.. _attributes],
                Crtc = [.. _crtc],
                Dac = [.. _dac],
                DacLatch = [.. _dacLatch],
                Vbe = _vbe.Values.ToArray(),
                SequencerIndex = _sequencerIndex,
                GraphicsIndex = _graphicsIndex,
                AttributeIndex = _attributeIndex,
                CrtcIndex = _crtcIndex,
                Miscellaneous = _miscellaneous,
                Feature = _feature,
                PixelMask = _pixelMask,
                DacReadIndex = _dacReadIndex,
                DacWriteIndex = _dacWriteIndex,
                DacComponent = _dacComponent,
                DacReads = _dacReads,
                AttributeHoldsData = _attributeHoldsData,
                VbeIndex = _vbeIndex,
                Latch = _latch,
                Memory = Bytes.ToArray(),
            };
        }
    }

    /// <inheritdoc/>
    public void LoadState(VgaState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if ((ulong)state.Memory.Length != Memory.Size || !VbeRegisters.AreValid(state.Vbe, (int)Memory.Size))
        {
            throw new StateException(
                $"The saved state of {UnitName} cannot be used: it is of a display with other memory, or in a mode that it does not hold.");
        }

        lock (_gate)
        {
            TakeWindowBack();
            state.Sequencer.CopyTo(_sequencer, 0);
            state.Graphics.CopyTo(_graphics, 0);
            state.Attributes.CopyTo(_attributes, 0);
            state.Crtc.CopyTo(_crtc, 0);
            state.Dac.CopyTo(_dac, 0);
            state.DacLatch.CopyTo(_dacLatch, 0);
            _vbe.Load(state.Vbe);
            (_sequencerIndex, _graphicsIndex, _attributeIndex, _crtcIndex) =
                (state.SequencerIndex, state.GraphicsIndex, state.AttributeIndex, state.CrtcIndex);
            (_miscellaneous, _feature, _pixelMask) = (state.Miscellaneous, state.Feature, state.PixelMask);
            (_dacReadIndex, _dacWriteIndex, _dacComponent, _dacReads) =
                (state.DacReadIndex, state.DacWriteIndex, state.DacComponent, state.DacReads);
            (_attributeHoldsData, _vbeIndex, _latch) = (state.AttributeHoldsData, state.VbeIndex, state.Latch);
            using DmaWrite write = Memory.BeginWrite(0, state.Memory.Length);
            CopyPages(state.Memory, write.Span);
            ReviewPlanes();
            NoteChange();
        }
    }

    /// <summary>A page that is the same already is not touched: most were never used, and take no memory of the host's.</summary>
    private static void CopyPages(ReadOnlySpan<byte> from, Span<byte> to)
    {
        for (int at = 0; at < from.Length; at += (int)GuestMemory.PageSize)
        {
            ReadOnlySpan<byte> page = from.Slice(at, (int)GuestMemory.PageSize);
            if (!page.SequenceEqual(to.Slice(at, page.Length)))
            {
                page.CopyTo(to[at..]);
            }
        }
    }
}
