using System.Runtime.InteropServices;
using System.Text;

namespace Strata.Shares.Tests.Harness;

/// <summary>Extended attributes as the host's user sees them, xattr(7).</summary>
internal static unsafe partial class HostAttributes
{
    /// <summary>Why tests that need them are skipped; null where the temporary folder's file system has them.</summary>
    public static string? Missing { get; } = Probe();

    /// <returns>Null if there is none.</returns>
    public static string? Get(string path, string name)
    {
        byte[] value = new byte[256];
        fixed (byte* place = value)
        {
            // SAFETY: the call writes at most the array's length.
            nint length = GetAttribute(path, name, place, (nuint)value.Length);
            return length < 0 ? null : Encoding.UTF8.GetString(value, 0, (int)length);
        }
    }

    public static bool TrySet(string path, string name, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        fixed (byte* place = bytes)
        {
            // SAFETY: the call reads the array's bytes.
            return SetAttribute(path, name, place, (nuint)bytes.Length, 0) == 0;
        }
    }

    private static string? Probe()
    {
        string path = Path.GetTempFileName();
        bool works = TrySet(path, "user.strata-test", "1");
        File.Delete(path);
        return works ? null : $"The file system of {Path.GetTempPath()} has no extended attributes of users.";
    }

    [LibraryImport("libc", EntryPoint = "getxattr", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint GetAttribute(string path, string name, byte* value, nuint size);

    [LibraryImport("libc", EntryPoint = "setxattr", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetAttribute(string path, string name, byte* value, nuint size, int flags);
}

/// <summary>Needs a host file system with extended attributes.</summary>
internal sealed class AttributeFactAttribute : FactAttribute
{
    public AttributeFactAttribute() => Skip = HostAttributes.Missing;
}

/// <inheritdoc cref="AttributeFactAttribute"/>
internal sealed class AttributeTheoryAttribute : TheoryAttribute
{
    public AttributeTheoryAttribute() => Skip = HostAttributes.Missing;
}
