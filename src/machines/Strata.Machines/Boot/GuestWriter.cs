using System.Buffers.Binary;
using Strata.Core.Bus;

namespace Strata.Machines.Boot;

/// <summary>Puts bytes into guest RAM while a machine is being built; an address outside of RAM is an error of the image.</summary>
internal sealed class GuestWriter(AddressSpace memory)
{
    public void Write(ulong gpa, ReadOnlySpan<byte> bytes, string what)
    {
        if (bytes.IsEmpty)
        {
            return;
        }

        if (!memory.TryGetSpan(gpa, (uint)bytes.Length, forWriting: true, out Span<byte> target))
        {
            throw new BootImageException($"The {what} ({bytes.Length:N0} bytes) does not fit into guest memory at 0x{gpa:x}; give the machine more memory.");
        }

        bytes.CopyTo(target);
    }

    public void Clear(ulong gpa, ulong length, string what)
    {
        if (length == 0)
        {
            return;
        }

        if (length > int.MaxValue || !memory.TryGetSpan(gpa, (uint)length, forWriting: true, out Span<byte> target))
        {
            throw new BootImageException($"The {what} ({length:N0} bytes) does not fit into guest memory at 0x{gpa:x}; give the machine more memory.");
        }

        target.Clear();
    }

    public void Write64(ulong gpa, ulong value, string what)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Write(gpa, bytes, what);
    }
}
