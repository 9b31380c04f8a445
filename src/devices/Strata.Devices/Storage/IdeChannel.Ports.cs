using Strata.Core.Bus;
using static Strata.Devices.Storage.Ata;

namespace Strata.Devices.Storage;

/// <content>The ports.</content>
public sealed partial class IdeChannel
{
    private static readonly TimeSpan PollPatience = TimeSpan.FromMilliseconds(1);

    /// <summary>Eight ports of the bus master.</summary>
    internal uint ReadMaster(int offset, AccessWidth width)
    {
        lock (_gate)
        {
            ulong all = _master.Command | ((ulong)_master.Status << 16) | ((ulong)_master.Table << 32);
            return (uint)((all >> (8 * offset)) & width.Mask());
        }
    }

    /// <inheritdoc cref="ReadMaster"/>
    internal void WriteMaster(int offset, AccessWidth width, uint value)
    {
        lock (_gate)
        {
            for (int i = 0; i < (int)width; i++)
            {
                WriteMasterByte(offset + i, (byte)(value >> (8 * i)));
            }
        }
    }

    private void WriteMasterByte(int offset, byte value)
    {
        switch (offset)
        {
            case 0:
                _master.Command = (byte)(value & IdeBusMaster.CommandMask);
                if ((value & IdeBusMaster.Start) == 0)
                {
                    _master.Status &= unchecked((byte)~IdeBusMaster.Active);
                }
                else
                {
                    BeginDma();
                }

                break;
            case 2:
                _master.WriteStatus(value);
                break;
            case >= 4 and < 8:
                int shift = (offset - 4) * 8;
                _master.Table = ((_master.Table & ~(0xFFu << shift)) | ((uint)value << shift)) & ~3u;
                break;
            default:
                break;
        }
    }

    /// <summary>
    /// Lets a guest that asks again and again whether a drive is still busy sleep until it is not, for a while: where the host has fewer
    /// processors to spare than threads that want them, its questions would keep the drive from its work.
    /// </summary>
    private void AwaitWork()
    {
        bool isBusy;
        lock (_gate)
        {
            isBusy = Selected is { } drive && (drive.Status & StatusBusy) != 0;
        }

        if (isBusy)
        {
            _worker.WaitUntilIdle(PollPatience);
        }
    }

    private sealed class CommandPorts(IdeChannel owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            if (offset == StatusRegister)
            {
                owner.AwaitWork();
            }

            lock (owner._gate)
            {
                return offset == 0 ? owner.Selected?.ReadData((int)width) ?? 0 : owner.ReadRegister(offset);
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (owner._gate)
            {
                if (offset == 0)
                {
                    owner.Selected?.WriteData(value, (int)width);
                }
                else
                {
                    owner.WriteRegister(offset, (byte)value);
                }
            }
        }
    }

    private sealed class ControlPort(IdeChannel owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            owner.AwaitWork();
            lock (owner._gate)
            {
                return owner.Selected?.Status ?? 0u;
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (owner._gate)
            {
                owner.WriteControl((byte)value);
            }
        }
    }
}
