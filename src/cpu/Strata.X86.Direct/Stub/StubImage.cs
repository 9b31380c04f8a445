using System.Buffers.Binary;

namespace Strata.X86.Direct.Stub;

/// <summary>
/// The executable file of a stub: one segment for reading and executing. System V ABI, "Object Files" and "Program Loading".
/// </summary>
internal static class StubImage
{
    private const int HeaderSize = 64;
    private const int ProgramHeaderSize = 56;
    private const int Headers = HeaderSize + (2 * ProgramHeaderSize);
    private const uint Load = 1; // PT_LOAD
    private const uint GnuStack = 0x6474E551; // PT_GNU_STACK: without it old kernels make every readable page executable
    private const uint ReadWrite = 6;
    private const uint ReadExecute = 5;

    /// <summary>The same on every host: bytes of an ELF file.</summary>
    public static byte[] Build()
    {
        (byte[] code, ulong entry) = StubCode.Build(StubLayout.Base + Headers);
        if (Headers + code.Length > StubLayout.CodeSize)
        {
            throw new InvalidOperationException($"The stub's code needs {Headers + code.Length} bytes, more than {StubLayout.CodeSize}.");
        }

        byte[] file = new byte[Headers + code.Length];
        code.CopyTo(file, Headers);
        WriteHeader(file, entry);
        WriteProgramHeader(file.AsSpan(HeaderSize), Load, ReadExecute, StubLayout.Base, (ulong)file.Length);
        WriteProgramHeader(file.AsSpan(HeaderSize + ProgramHeaderSize), GnuStack, ReadWrite, 0, 0);
        return file;
    }

    private static void WriteHeader(Span<byte> at, ulong entry)
    {
        ReadOnlySpan<byte> identification = [0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1]; // 64 bits, little endian, version 1
        identification.CopyTo(at);
        BinaryPrimitives.WriteUInt16LittleEndian(at[16..], 2); // ET_EXEC
        BinaryPrimitives.WriteUInt16LittleEndian(at[18..], 62); // EM_X86_64
        BinaryPrimitives.WriteUInt32LittleEndian(at[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(at[24..], entry);
        BinaryPrimitives.WriteUInt64LittleEndian(at[32..], HeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(at[52..], HeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(at[54..], ProgramHeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(at[56..], 2);
    }

    private static void WriteProgramHeader(Span<byte> at, uint type, uint rights, ulong address, ulong size)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(at, type);
        BinaryPrimitives.WriteUInt32LittleEndian(at[4..], rights);
        BinaryPrimitives.WriteUInt64LittleEndian(at[16..], address);
        BinaryPrimitives.WriteUInt64LittleEndian(at[24..], address);
        BinaryPrimitives.WriteUInt64LittleEndian(at[32..], size);
        BinaryPrimitives.WriteUInt64LittleEndian(at[40..], size);
        BinaryPrimitives.WriteUInt64LittleEndian(at[48..], 4096);
    }
}
