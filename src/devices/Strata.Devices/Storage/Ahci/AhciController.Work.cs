using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using static Strata.Devices.Storage.Ahci.AhciRegisters;

namespace Strata.Devices.Storage.Ahci;

/// <content>The worker: what the guest wants of ports, and commands, a port after the other.</content>
public sealed partial class AhciController
{
    private const byte ControlRegisterReset = 1 << 2; // SRST
    private const byte StatusError = 1;

    private void Work()
    {
        while (TryTake(out AhciPort? port, out int slot))
        {
            ExecuteSlot(port, slot);
        }
    }

    /// <returns>False if there is nothing to do.</returns>
    private bool TryTake([NotNullWhen(true)] out AhciPort? port, out int slot)
    {
        lock (_gate)
        {
            slot = 0;
            if (_isResetWanted)
            {
                ResetController(isHard: false);
            }

            Array.ForEach(_ports, Settle);
            UpdateInterrupt();
            port = IsBusMaster
                ? _ports.Where(one => one.CanTake).MinBy(one => one.Number > _lastPort ? one.Number : one.Number + PortCount)
                : null;
            if (port is null)
            {
                return false;
            }

            _lastPort = port.Number;
            int last = (int)((port.Command & CmdSlot) >> 8);
            slot = (BitOperations.TrailingZeroCount(BitOperations.RotateRight(port.Issued, last + 1)) + last + 1) % SlotCount;
            port.Command = (port.Command & ~CmdSlot) | ((uint)slot << 8);
            return true;
        }
    }

    /// <summary>Does what the guest has asked a port for between two commands.</summary>
    private void Settle(AhciPort port)
    {
        if (port.IsStopWanted)
        {
            port.IsStopWanted = port.IsHalted = false;
            (port.Issued, port.Active) = (0, 0);
            port.Command &= ~(CmdListRunning | CmdSlot);
            port.Command |= (port.Command & CmdStart) != 0 ? CmdListRunning : 0; // it has been started again meanwhile
        }

        if (port.IsResetWanted)
        {
            port.IsResetWanted = port.IsInReset = false;
            port.Drive?.Reset(isHard: true);
            port.Present();
            if (port.Drive is not null)
            {
                port.Error |= SerrExchanged;
                PostRegister(port, interrupts: false);
            }
        }
    }

    private void ExecuteSlot(AhciPort port, int slot)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        Span<byte> table = stackalloc byte[TableOffset];
        ulong place = port.CommandList + (ulong)(slot * HeaderSize);
        if (!TryCopy(place, header) || !TryCopy(BinaryPrimitives.ReadUInt64LittleEndian(header[8..]) & ~0x7FUL, table))
        {
            lock (_gate)
            {
                port.Interrupts |= IsBusFatal;
                port.IsHalted = true;
                UpdateInterrupt();
            }

            return;
        }

        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(header);
        AhciData data = new(_memory, (BinaryPrimitives.ReadUInt64LittleEndian(header[8..]) & ~0x7FUL) + TableOffset, (int)(flags >> 16));
        if (table[0] != FisToDevice)
        {
            Fail(port);
        }
        else if ((table[1] & 0x80) == 0)
        {
            ChangeControl(port, slot, table[15]);
        }
        else if (table[2] is ReadQueued or WriteQueued && !port.Drive!.IsPacket)
        {
            ExecuteQueued(port, slot, table, data, place);
        }
        else
        {
            Execute(port, slot, table, (flags & HeaderPacket) != 0, data, place);
        }
    }

    private bool TryCopy(ulong gpa, Span<byte> bytes)
    {
        bool isMemory = _memory.TryGetSpan(gpa, (uint)bytes.Length, out ReadOnlySpan<byte> span);
        if (isMemory)
        {
            span.CopyTo(bytes);
        }

        return isMemory;
    }

    /// <summary>A FIS that only writes the control register: its reset bit rises, and falls with another one.</summary>
    private void ChangeControl(AhciPort port, int slot, byte control)
    {
        bool isHeld = (control & ControlRegisterReset) != 0;
        if (port.IsInReset && !isHeld)
        {
            port.Drive!.Reset(isHard: false);
        }

        lock (_gate)
        {
            port.Issued &= ~(1u << slot);
            if (port.IsInReset && !isHeld)
            {
                port.TaskFile = TfdReset;
                PostRegister(port, interrupts: true);
            }

            port.IsInReset = isHeld;
            UpdateInterrupt();
        }
    }

    private void Execute(AhciPort port, int slot, ReadOnlySpan<byte> table, bool hasPacket, AhciData data, ulong header)
    {
        IdeDrive drive = port.Drive!;
        byte command = table[2];
        bool isLog = command == ReadLogExt && table[4] == QueuedErrorLog && !drive.IsPacket;
        bool isPio = true;
        if (isLog)
        {
            data.TryPut(DescribeQueuedError(port));
            drive.Execute(Ata.CheckPowerMode); // nothing but success
        }
        else
        {
            SetRegisters(drive, table, count: table[12] | (table[13] << 8), features: table[3]);
            drive.Execute(command);
            isPio = Run(drive, hasPacket ? table[PacketOffset..] : [], data);
        }

        lock (_gate)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_word, (uint)data.Moved);
            _memory.TryWriteBytes(header + 4, _word); // PRDBC
            port.TaskFile = drive.Status | ((uint)drive.Error << 8);
            if ((drive.Status & StatusError) != 0)
            {
                PostRegister(port, interrupts: true);
                Fail(port);
                return;
            }

            port.Issued &= ~(1u << slot);
            if ((isPio || isLog) && data.IsToHost)
            {
                PostPioSetup(port, data.Moved);
            }
            else
            {
                PostRegister(port, interrupts: true);
            }

            UpdateInterrupt();
        }
    }

    /// <summary>READ and WRITE FPDMA QUEUED: as the 48-bit DMA commands, with another end.</summary>
    private void ExecuteQueued(AhciPort port, int slot, ReadOnlySpan<byte> table, AhciData data, ulong header)
    {
        const byte forceUnitAccess = 1 << 7; // in the device register
        IdeDrive drive = port.Drive!;
        int tag = table[12] >> 3;
        SetRegisters(drive, table, count: table[3] | (table[11] << 8), features: 0);
        drive.Execute(table[2] == ReadQueued ? Ata.ReadDmaExt : (table[7] & forceUnitAccess) != 0 ? Ata.WriteDmaFuaExt : Ata.WriteDmaExt);
        Run(drive, [], data);
        lock (_gate)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_word, (uint)data.Moved);
            _memory.TryWriteBytes(header + 4, _word);
            port.TaskFile = drive.Status | ((uint)drive.Error << 8);
            bool isFailed = (drive.Status & StatusError) != 0;
            if (isFailed)
            {
                port.QueuedError = [(byte)tag, drive.Status, drive.Error];
            }
            else
            {
                port.Active &= ~(1u << tag);
            }

            port.Issued &= ~(1u << slot);
            PostDeviceBits(port, isFailed ? 0 : 1u << tag);
            if (isFailed)
            {
                Fail(port);
            }

            UpdateInterrupt();
        }
    }

    private readonly byte[] _word = new byte[4]; // the worker's

    private void Fail(AhciPort port)
    {
        lock (_gate)
        {
            port.Interrupts |= IsTaskFile;
            port.IsHalted = true;
            UpdateInterrupt();
        }
    }

    private static void SetRegisters(IdeDrive drive, ReadOnlySpan<byte> table, int count, byte features)
    {
        drive.Features = features;
        drive.Device = table[7];
        drive.WriteAddress(2, (byte)(count >> 8)); // what is written first is the high-order byte
        drive.WriteAddress(2, (byte)count);
        for (int i = 0; i < 3; i++)
        {
            drive.WriteAddress(3 + i, table[8 + i]);
            drive.WriteAddress(3 + i, table[4 + i]);
        }
    }

    /// <summary>Moves the data phases of a command until it has none.</summary>
    /// <returns>Whether the last one was not by DMA.</returns>
    private bool Run(IdeDrive drive, ReadOnlySpan<byte> packet, AhciData data)
    {
        bool isPio = true;
        if (drive.Transfer.Kind == IdeTransferKind.Packet)
        {
            Span<byte> bytes = stackalloc byte[(int)drive.Transfer.Length];
            packet[..Math.Min(packet.Length, bytes.Length)].CopyTo(bytes);
            for (int i = 0; i < bytes.Length; i += 2)
            {
                drive.WriteData(BinaryPrimitives.ReadUInt16LittleEndian(bytes[i..]), 2);
            }
        }

        if (drive.Transfer.Kind != IdeTransferKind.None)
        {
            isPio = !drive.Transfer.IsDma;
            Patch(drive);
            drive.EndDma(data.TryMove(drive, drive.Transfer, error => LogFailed(Log, error)));
        }

        return isPio;
    }

    /// <summary>
    /// What a drive on SATA says of itself beyond what it says on a ribbon cable. ATA8-ACS, "IDENTIFY DEVICE", words 75 to 93.
    /// </summary>
    private static void Patch(IdeDrive drive)
    {
        IdeTransfer transfer = drive.Transfer;
        if (transfer.Kind != IdeTransferKind.FromReply || transfer.Reply.Length != Ata.SectorSize)
        {
            return;
        }

        Span<byte> words = transfer.Reply;
        const ushort queued = 1 << 8;
        const ushort speeds = (1 << 2) | (1 << 1); // 3 and 1.5 Gbit/s
        BinaryPrimitives.WriteUInt16LittleEndian(words[(75 * 2)..], (ushort)(drive.IsPacket ? 0 : SlotCount - 1));
        BinaryPrimitives.WriteUInt16LittleEndian(words[(76 * 2)..], (ushort)(drive.IsPacket ? speeds : queued | speeds));
        BinaryPrimitives.WriteUInt16LittleEndian(words[(93 * 2)..], 0); // no cable to look at
    }

    private static byte[] DescribeQueuedError(AhciPort port)
    {
        byte[] log = new byte[Ata.SectorSize];
        (log[0], log[2], log[3]) = (port.QueuedError[0], port.QueuedError[1], port.QueuedError[2]);
        byte sum = 0;
        foreach (byte value in log)
        {
            sum += value;
        }

        log[^1] = (byte)-sum;
        return log;
    }

    private void ResetController(bool isHard)
    {
        _isResetWanted = false;
        (_control, _interrupts, _lastPort) = (GhcAhci, 0, 0);
        foreach (AhciPort port in _ports)
        {
            port.Drive?.Reset(isHard);
            port.Reset();
        }

        UpdateInterrupt();
    }
}
