using System.Buffers.Binary;
using System.Text;

namespace Strata.Machines.Acpi;

/// <summary>
/// Writes ACPI Machine Language: just the terms the DSDT needs. ACPI specification 6.4, "ACPI Machine Language (AML) Specification".
/// </summary>
internal sealed class AmlBuilder
{
    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes];

    public AmlBuilder Scope(string path, Action<AmlBuilder> body) => Block([0x10], path, body);

    public AmlBuilder Device(string name, Action<AmlBuilder> body) => Block([0x5B, 0x82], name, body);

    /// <summary>Name (name, value).</summary>
    public AmlBuilder Name(string name, Action<AmlBuilder> value)
    {
        _bytes.Add(0x08);
        Append(Encoding.ASCII.GetBytes(name));
        value(this);
        return this;
    }

    /// <summary>Method (name, no arguments, not serialized).</summary>
    public AmlBuilder Method(string name, Action<AmlBuilder> body) => Block([0x14], name, content =>
    {
        content._bytes.Add(0);
        body(content);
    });

    /// <summary>Notify (\scope.name, value).</summary>
    /// <param name="scope">A name in the root.</param>
    public AmlBuilder Notify(string scope, string name, ulong value)
    {
        Append([0x86, (byte)'\\', 0x2E]);
        Append(Encoding.ASCII.GetBytes(scope + name));
        return Integer(value);
    }

    /// <summary>A string.</summary>
    public AmlBuilder Text(string value)
    {
        _bytes.Add(0x0D);
        Append(Encoding.ASCII.GetBytes(value));
        _bytes.Add(0);
        return this;
    }

    public AmlBuilder Integer(ulong value)
    {
        switch (value)
        {
            case 0:
                _bytes.Add(0x00);
                break;
            case 1:
                _bytes.Add(0x01);
                break;
            case <= byte.MaxValue:
                Append([0x0A, (byte)value]);
                break;
            case <= ushort.MaxValue:
                Append([0x0B, (byte)value, (byte)(value >> 8)]);
                break;
            case <= uint.MaxValue:
                _bytes.Add(0x0C);
                AppendLittle(value, 4);
                break;
            default:
                _bytes.Add(0x0E);
                AppendLittle(value, 8);
                break;
        }

        return this;
    }

    /// <summary>EISAID ("PNP0501").</summary>
    public AmlBuilder EisaId(string id)
    {
        uint packed = (uint)((id[0] - 0x40) << 26)
            | (uint)((id[1] - 0x40) << 21)
            | (uint)((id[2] - 0x40) << 16)
            | Convert.ToUInt32(id[3..], 16);
        _bytes.Add(0x0C);
        AppendLittle(BinaryPrimitives.ReverseEndianness(packed), 4);
        return this;
    }

    public AmlBuilder Package(params Action<AmlBuilder>[] elements)
    {
        AmlBuilder content = new();
        content._bytes.Add((byte)elements.Length);
        foreach (Action<AmlBuilder> element in elements)
        {
            element(content);
        }

        _bytes.Add(0x12);
        AppendWithLength(content);
        return this;
    }

    /// <summary>A buffer with resource descriptors; the end tag is added.</summary>
    public AmlBuilder Resources(Action<AmlBuilder> descriptors)
    {
        AmlBuilder list = new();
        descriptors(list);
        list.Append([0x79, 0x00]);
        AmlBuilder content = new();
        content.Integer((ulong)list._bytes.Count);
        content._bytes.AddRange(list._bytes);
        _bytes.Add(0x11);
        AppendWithLength(content);
        return this;
    }

    /// <summary>Small resource: I/O ports, 16-bit decode.</summary>
    public AmlBuilder Io(ushort start, byte length)
    {
        Append([0x47, 0x01, (byte)start, (byte)(start >> 8), (byte)start, (byte)(start >> 8), 1, length]);
        return this;
    }

    /// <summary>Small resource: one ISA interrupt, edge-triggered, active-high.</summary>
    public AmlBuilder Irq(int pin)
    {
        ushort mask = (ushort)(1 << pin);
        Append([0x22, (byte)mask, (byte)(mask >> 8)]);
        return this;
    }

    /// <summary>Large resource: bus numbers a bridge passes on.</summary>
    public AmlBuilder BusRange(ushort first, ushort last)
    {
        AddressSpaceHeader(0x88, 2, 0x000D, 0x0C, 0);
        AppendRange(first, last, 2);
        return this;
    }

    /// <summary>Large resource: I/O ports a bridge passes on.</summary>
    public AmlBuilder IoRange(ushort first, ushort last)
    {
        AddressSpaceHeader(0x88, 1, 0x000D, 0x0C, 3);
        AppendRange(first, last, 2);
        return this;
    }

    /// <summary>Large resource: 32-bit memory a bridge passes on, not cacheable, writable.</summary>
    public AmlBuilder MemoryRange(uint first, uint last)
    {
        AddressSpaceHeader(0x87, 0, 0x0017, 0x0C, 1);
        AppendRange(first, last, 4);
        return this;
    }

    /// <summary>Large resource: 64-bit memory a bridge passes on.</summary>
    public AmlBuilder WideMemoryRange(ulong first, ulong last)
    {
        AddressSpaceHeader(0x8A, 0, 0x002B, 0x0C, 1);
        AppendRange(first, last, 8);
        return this;
    }

    private void AddressSpaceHeader(byte tag, byte type, ushort length, byte flags, byte typeFlags) =>
        Append([tag, (byte)length, (byte)(length >> 8), type, flags, typeFlags]);

    private void AppendRange(ulong first, ulong last, int size)
    {
        AppendLittle(0, size);
        AppendLittle(first, size);
        AppendLittle(last, size);
        AppendLittle(0, size);
        AppendLittle(last - first + 1, size);
    }

    private AmlBuilder Block(ReadOnlySpan<byte> opcode, string name, Action<AmlBuilder> body)
    {
        AmlBuilder content = new();
        content.Append(Encoding.ASCII.GetBytes(name));
        body(content);
        Append(opcode);
        AppendWithLength(content);
        return this;
    }

    /// <summary>PkgLength counts itself: one to four bytes.</summary>
    private void AppendWithLength(AmlBuilder content)
    {
        int count = content._bytes.Count;
        if (count + 1 < 0x40)
        {
            _bytes.Add((byte)(count + 1));
        }
        else
        {
            int bytes = count + 2 < 0x1000 ? 2 : count + 3 < 0x100000 ? 3 : 4;
            int total = count + bytes;
            _bytes.Add((byte)(((bytes - 1) << 6) | (total & 0xF)));
            for (int i = 1; i < bytes; i++)
            {
                _bytes.Add((byte)(total >> (4 + ((i - 1) * 8))));
            }
        }

        _bytes.AddRange(content._bytes);
    }

    private void AppendLittle(ulong value, int size)
    {
        for (int i = 0; i < size; i++)
        {
            _bytes.Add((byte)(value >> (8 * i)));
        }
    }

    private void Append(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);
}
