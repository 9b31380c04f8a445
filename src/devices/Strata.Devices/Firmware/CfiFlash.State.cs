using Strata.Core.Memory;
using Strata.Core.State;

namespace Strata.Devices.Firmware;

/// <summary>What a flash chip answers reads with.</summary>
public enum FlashMode : byte
{
    /// <summary>Its bytes.</summary>
    Array,

    /// <summary>Its status.</summary>
    Status,

    /// <summary>Its maker's and its own number.</summary>
    Identifier,

    /// <summary>What it can do.</summary>
    Query,

    /// <summary>Its status; the next write is programmed.</summary>
    Program,

    /// <summary>Its status; the next write confirms that a block is to be erased.</summary>
    Erase,
}

/// <summary>State of a flash chip, with its bytes.</summary>
public sealed class CfiFlashState : IStateRecord<CfiFlashState>
{
    /// <summary>Bytes of the largest chip that is read.</summary>
    public const int LargestChip = 16 << 20;

    public static ushort Version => 1;

    /// <summary>What reads see.</summary>
    public required FlashMode Mode { get; set; }

    /// <summary>The status register.</summary>
    public required byte Status { get; set; }

    /// <summary>All bytes of the array.</summary>
    public required byte[] Content { get; set; }

    public static CfiFlashState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new CfiFlashState
        {
            Mode = (FlashMode)reader.Read<byte>(nameof(Mode), 0, (byte)FlashMode.Erase),
            Status = reader.ReadBits<byte>(nameof(Status), 0xB0),
            Content = reader.ReadBytes(nameof(Content), LargestChip),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write((byte)Mode);
        writer.Write(Status);
        writer.WriteBytes(Content);
    }
}

public sealed partial class CfiFlash
{
    public string UnitName => "flash";

    /// <summary>The bytes stay: that is what flash is for.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            (_mode, _status) = (FlashMode.Array, 0);
            Keep();
            Show();
        }
    }

    public CfiFlashState SaveState()
    {
        lock (_gate)
        {
            return new CfiFlashState { Mode = _mode, Status = _status, Content = _chip.Slice(0, Size).ToArray() };
        }
    }

    public void LoadState(CfiFlashState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.Content.Length != Size)
        {
            throw new StateException(
                $"The saved state of {UnitName} cannot be used: Content has {state.Content.Length:N0} bytes, and this machine's flash " +
                $"{Size:N0}.");
        }

        lock (_gate)
        {
            for (int block = 0; block < _changed.Length; block++)
            {
                int start = block * BlockSize;
                ReadOnlySpan<byte> wanted = state.Content.AsSpan(start, BlockSize);
                if (!_chip.Slice((ulong)start, BlockSize).SequenceEqual(wanted))
                {
                    using DmaWrite write = _chip.BeginWrite((ulong)start, BlockSize);
                    wanted.CopyTo(write.Span);
                    _changed[block] = true;
                }
            }

            (_mode, _status) = (state.Mode, state.Status);
            Show();
        }
    }
}
