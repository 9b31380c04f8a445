using System.Globalization;
using System.Text;

namespace Strata.Images;

/// <summary>
/// Writes a "newc" cpio archive, the format of an initramfs. Linux kernel documentation, "initramfs buffer format".
/// </summary>
public sealed class CpioWriter(Stream output)
{
    private const int FileMode = 0x8000;
    private const int DirectoryMode = 0x4000;
    private const int CharacterMode = 0x2000;
    private const int LinkMode = 0xA000;

    private int _inode;
    private long _written;

    public void AddDirectory(string path) => Add(path, DirectoryMode | 0x1ED, []);

    /// <param name="executable">Mode 0755 instead of 0644.</param>
    public void AddFile(string path, ReadOnlySpan<byte> content, bool executable) =>
        Add(path, FileMode | (executable ? 0x1ED : 0x1A4), content);

    public void AddLink(string path, string target) => Add(path, LinkMode | 0x1FF, Encoding.UTF8.GetBytes(target));

    public void AddCharacterDevice(string path, int major, int minor) => Add(path, CharacterMode | 0x180, [], major, minor);

    /// <summary>Writes the trailer; the archive is complete then.</summary>
    public void Finish() => Add("TRAILER!!!", 0, []);

    private void Add(string path, int mode, ReadOnlySpan<byte> content, int major = 0, int minor = 0)
    {
        byte[] name = Encoding.UTF8.GetBytes(path);
        StringBuilder header = new("070701");
        int inode = mode == 0 ? 0 : ++_inode;
        foreach (int field in (ReadOnlySpan<int>)[inode, mode, 0, 0, 1, 0, content.Length, 0, 0, major, minor, name.Length + 1, 0])
        {
            header.Append(field.ToString("X8", CultureInfo.InvariantCulture));
        }

        Write(Encoding.ASCII.GetBytes(header.ToString()));
        Write(name);
        Write([0]);
        Pad();
        Write(content);
        Pad();
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        output.Write(bytes);
        _written += bytes.Length;
    }

    private void Pad()
    {
        while (_written % 4 != 0)
        {
            Write([0]);
        }
    }
}
