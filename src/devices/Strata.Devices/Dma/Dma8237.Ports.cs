using Strata.Core.Bus;

namespace Strata.Devices.Dma;

/// <content>
/// The registers.
/// <code>
/// 0, 2, 4, 6  address of channel 0..3     8  command (write), status (read)    C  clear byte pointer
/// 1, 3, 5, 7  count                       9  request                           D  master clear (write), temporary (read)
///                                         A  one mask bit                      E  clear mask
///                                         B  mode                              F  all mask bits
/// </code>
/// </content>
public sealed partial class Dma8237
{
    private const int Command = 0x8;
    private const int RequestRegister = 0x9;
    private const int SingleMask = 0xA;
    private const int ModeRegister = 0xB;
    private const int ClearBytePointer = 0xC;
    private const int MasterClear = 0xD;
    private const int ClearMask = 0xE;
    private const int AllMask = 0xF;

    private byte ReadRegister(int controllerIndex, int register)
    {
        Controller controller = _controllers[controllerIndex];
        if (register < Command)
        {
            Counter channel = _channels[(controllerIndex * ChannelsOfController) + (register >> 1)];
            ushort value = (register & 1) == 0 ? channel.Address : channel.Count;
            bool isHigh = controller.IsHighNext;
            controller.IsHighNext = !isHigh;
            return (byte)(isHigh ? value >> 8 : value);
        }

        switch (register)
        {
            case Command:
                byte status = (byte)(controller.Terminal | (controller.Request << 4));
                controller.Terminal = 0;
                return status;
            case AllMask:
                return (byte)(controller.Mask | 0xF0);
            default:
                return register == MasterClear ? (byte)0 : (byte)0xFF;
        }
    }

    private void WriteRegister(int controllerIndex, int register, byte value)
    {
        Controller controller = _controllers[controllerIndex];
        byte bit = (byte)(1 << (value & 3));
        switch (register)
        {
            case < Command:
                WriteCounter(controller, _channels[(controllerIndex * ChannelsOfController) + (register >> 1)], (register & 1) != 0, value);
                break;
            case Command:
                controller.Command = value;
                break;
            case RequestRegister:
                controller.Request = (byte)((value & 4) != 0 ? controller.Request | bit : controller.Request & ~bit);
                break;
            case SingleMask:
                controller.Mask = (byte)((value & 4) != 0 ? controller.Mask | bit : controller.Mask & ~bit);
                break;
            case ModeRegister:
                _channels[(controllerIndex * ChannelsOfController) + (value & 3)].Mode = (byte)(value & ~3);
                break;
            case ClearBytePointer:
                controller.IsHighNext = false;
                break;
            case MasterClear:
                Clear(controller);
                break;
            case ClearMask:
                controller.Mask = 0;
                break;
            case AllMask:
                controller.Mask = (byte)(value & Masked);
                break;
            default:
                break;
        }
    }

    private static void WriteCounter(Controller controller, Counter channel, bool isCount, byte value)
    {
        int shift = controller.IsHighNext ? 8 : 0;
        controller.IsHighNext = !controller.IsHighNext;
        ushort Merge(ushort old) => (ushort)((old & (0xFF00 >> shift)) | (value << shift));
        if (isCount)
        {
            channel.Count = channel.BaseCount = Merge(channel.BaseCount);
        }
        else
        {
            channel.Address = channel.BaseAddress = Merge(channel.BaseAddress);
        }
    }

    private static void Clear(Controller controller)
    {
        (controller.Command, controller.Request, controller.Terminal) = (0, 0, 0);
        controller.Mask = Masked;
        controller.IsHighNext = false;
    }

    private sealed class ControllerPorts(Dma8237 dma, int index) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            lock (dma._gate)
            {
                return dma.ReadRegister(index, offset >> index); // the second one's registers are two ports apart
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (dma._gate)
            {
                dma.WriteRegister(index, offset >> index, (byte)value);
            }
        }
    }

    private sealed class PagePorts(Dma8237 dma) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            lock (dma._gate)
            {
                return dma._pages[offset];
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (dma._gate)
            {
                dma._pages[offset] = (byte)value;
            }
        }
    }
}
