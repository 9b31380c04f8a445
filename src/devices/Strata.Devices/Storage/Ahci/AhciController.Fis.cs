using System.Buffers.Binary;
using static Strata.Devices.Storage.Ahci.AhciRegisters;

namespace Strata.Devices.Storage.Ahci;

/// <content>What a drive sends the host: frames, which the controller leaves in memory. Under the lock.</content>
public sealed partial class AhciController
{
    private const byte FisInterrupts = 1 << 6;

    private void PostRegister(AhciPort port, bool interrupts)
    {
        Span<byte> fis = stackalloc byte[20];
        fis.Clear();
        Describe(port, fis, FisToHost);
        Post(port, RegisterPlace, fis);
        if (interrupts)
        {
            port.Interrupts |= IsRegister;
        }
    }

    private void PostPioSetup(AhciPort port, long moved)
    {
        Span<byte> fis = stackalloc byte[20];
        fis.Clear();
        Describe(port, fis, FisPioSetup);
        fis[1] |= 1 << 5; // to the host
        fis[2] |= Ata.StatusDataRequest;
        fis[15] = (byte)port.TaskFile;
        BinaryPrimitives.WriteUInt16LittleEndian(fis[16..], (ushort)Math.Min(moved, ushort.MaxValue));
        Post(port, PioSetupPlace, fis);
        port.Interrupts |= IsPioSetup;
    }

    /// <param name="done">Tags that are done.</param>
    private void PostDeviceBits(AhciPort port, uint done)
    {
        Span<byte> fis = stackalloc byte[8];
        (fis[0], fis[1], fis[2], fis[3]) = (FisDeviceBits, FisInterrupts, (byte)(port.TaskFile & 0x77), (byte)(port.TaskFile >> 8));
        BinaryPrimitives.WriteUInt32LittleEndian(fis[4..], done);
        Post(port, DeviceBitsPlace, fis);
        port.Interrupts |= IsDeviceBits;
    }

    private static void Describe(AhciPort port, Span<byte> fis, byte type)
    {
        IdeDrive drive = port.Drive!;
        (fis[0], fis[1], fis[2], fis[3]) = (type, FisInterrupts, (byte)port.TaskFile, (byte)(port.TaskFile >> 8));
        fis[7] = drive.Device;
        for (int i = 0; i < 3; i++)
        {
            fis[4 + i] = drive.ReadAddress(3 + i, highOrder: false);
            fis[8 + i] = drive.ReadAddress(3 + i, highOrder: true);
        }

        (fis[12], fis[13]) = (drive.ReadAddress(2, highOrder: false), drive.ReadAddress(2, highOrder: true));
    }

    private void Post(AhciPort port, int place, ReadOnlySpan<byte> fis)
    {
        if ((port.Command & CmdFisRunning) != 0 && !_memory.TryWriteBytes(port.Fis + (ulong)place, fis))
        {
            port.Interrupts |= IsBusFatal;
        }
    }
}
