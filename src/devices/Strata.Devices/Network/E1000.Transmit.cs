using System.Buffers.Binary;
using Strata.Core.Networking;
using static Strata.Devices.Network.E1000Registers;

namespace Strata.Devices.Network;

/// <content>The worker: frames from the guest, and the news that there is room again.</content>
public sealed partial class E1000
{
    private void Work()
    {
        bool resumes;
        lock (_gate)
        {
            resumes = _isStarved && !_isStill;
            _isStarved &= !resumes;
        }

        if (resumes)
        {
            _backend.Resume();
        }

        while (TransmitOne())
        {
        }
    }

    /// <summary>Takes one descriptor. The lock is not held where a frame is sent: its way may lead back to this card.</summary>
    /// <returns>False if there is none.</returns>
    private bool TransmitOne()
    {
        Span<byte> descriptor = stackalloc byte[DescriptorSize];
        ulong place;
        int generation;
        lock (_gate)
        {
            uint size = Get(TDLEN) / DescriptorSize;
            uint head = Get(TDH);
            bool isReady = (Get(TCTL) & TctlEnable) != 0 && IsBusMaster && !_isStill && head < size && Get(TDT) < size && head != Get(TDT);
            if (!isReady)
            {
                return false;
            }

            place = (Get(TDBAL) | ((ulong)Get(TDBAH) << 32)) + (head * DescriptorSize);
            generation = _generation;
            if (_transmitter.Generation != generation)
            {
                _transmitter.Reset();
                _transmitter.Generation = generation;
            }

            if (_memory.TryGetSpan(place, DescriptorSize, out ReadOnlySpan<byte> bytes))
            {
                bytes.CopyTo(descriptor);
            }
            else
            {
                descriptor.Clear(); // taken, and nothing in it
            }
        }

        Execute(descriptor);
        lock (_gate)
        {
            if (generation != _generation)
            {
                return true; // another ring, if any
            }

            EndDescriptor(place, descriptor);
            return true;
        }
    }

    private void Execute(ReadOnlySpan<byte> descriptor)
    {
        if (_transmitter.Take(descriptor, _memory, (Volatile.Read(ref _registers[CTRL / 4]) & CtrlVlan) != 0))
        {
            foreach (ReadOnlyMemory<byte> frame in _transmitter.Frames())
            {
                Send(frame.Span);
            }

            _transmitter.EndPacket();
        }
    }

    private void Send(ReadOnlySpan<byte> frame)
    {
        lock (_gate)
        {
            Count(GPTC);
            Count(TPT);
            Count(GOTCL, (uint)frame.Length);
            if (!HasLink)
            {
                return;
            }
        }

        _backend.Send(frame, FrameOffload.None);
    }

    private void EndDescriptor(ulong place, ReadOnlySpan<byte> descriptor)
    {
        uint size = Get(TDLEN) / DescriptorSize;
        uint next = Get(TDH) + 1;
        Put(TDH, next >= size ? 0 : next);
        uint causes = Get(TDH) == Get(TDT) ? IcrQueueEmpty : 0;
        if ((BinaryPrimitives.ReadUInt32LittleEndian(descriptor[8..]) & TxReportStatus) != 0)
        {
            _memory.TryWriteBytes(place + 12, [(byte)(descriptor[12] | 1)]); // DD
            causes |= IcrTransmitted;
        }

        if (causes != 0)
        {
            Raise(causes);
        }
    }
}
