namespace Strata.X86.Interpreter.Threaded;

/// <summary>An operand width as a type argument: each handler is compiled once for every width, with the size a constant.</summary>
internal interface IWidth
{
    /// <summary>Bytes.</summary>
    static abstract int Size { get; }
}

internal readonly struct Byte8 : IWidth
{
    public static int Size => 1;
}

internal readonly struct Word16 : IWidth
{
    public static int Size => 2;
}

internal readonly struct Dword32 : IWidth
{
    public static int Size => 4;
}

internal readonly struct Qword64 : IWidth
{
    public static int Size => 8;
}
