using System.Globalization;
using System.Text;
using Strata.Core.Display;
using Strata.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace Strata.EndToEnd.Tests;

/// <summary>The same boot sector draws here and in QEMU, under the same firmware: the pictures are the same.</summary>
public sealed class VgaPictureTests(ITestOutputHelper output) : IDisposable
{
    private const string Done = "@done";

    /// <summary>A component of a colour has six bits in the DAC; how they become eight differs.</summary>
    private const int Tolerance = 3;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(10));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact("apt-get", "dpkg-deb", "qemu-system-x86_64")]
    public async Task Modes_DrawnByABootSector_LookAsInQemu()
    {
        List<string> differences = [];
        foreach (string name in VgaPictures.All.Keys)
        {
            string disk = _folder.Write("picture.raw", VgaPictures.CreateDisk(name));
            ScreenPicture ours = await DrawHereAsync(disk);
            (int width, int height, byte[] pixels) = await DrawInQemuAsync(disk);
            string result = Compare(ours, width, height, pixels);
            output.WriteLine($"{name}: {ours.Width} by {ours.Height} here, {width} by {height} there: {result}");
            if (result.Length > 0)
            {
                differences.Add($"{name}: {result}");
            }
        }

        Assert.Empty(differences);
    }

    /// <returns>Empty if they are the same. QEMU draws lines and dots that the adapter repeats as often.</returns>
    private static string Compare(ScreenPicture ours, int width, int height, byte[] theirs)
    {
        if (width % ours.Width != 0 || height % ours.Height != 0)
        {
            return $"{ours.Width} by {ours.Height} pixels, not {width} by {height}";
        }

        int different = 0;
        string first = "";
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                uint pixel = ours.Pixels[(y * ours.Height / height * ours.Width) + (x * ours.Width / width)];
                ReadOnlySpan<byte> other = theirs.AsSpan(((y * width) + x) * 3, 3);
                bool isSame = Math.Abs((int)((pixel >> 16) & 0xFF) - other[0]) <= Tolerance
                    && Math.Abs((int)((pixel >> 8) & 0xFF) - other[1]) <= Tolerance
                    && Math.Abs((int)(pixel & 0xFF) - other[2]) <= Tolerance;
                if (!isSame)
                {
                    first = different++ > 0 ? first : $"at {x}, {y}: {pixel:X6}, not {Convert.ToHexString(other)}";
                }
            }
        }

        return different == 0 ? "" : $"{different} pixels differ, {first}";
    }

    private async Task<ScreenPicture> DrawHereAsync(string disk)
    {
        MachineSpec spec = MachineSpec.StartingFrom(disk) with { Memory = 64UL << 20, Networks = [], Engine = Engine.Translator };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(Done, _timeout.Token);
        return machine.Screen.Capture();
    }

    private async Task<(int Width, int Height, byte[] Pixels)> DrawInQemuAsync(string disk)
    {
        string serial = _folder.PathOf("serial.txt");
        string picture = _folder.PathOf("picture.ppm");
        File.Delete(serial);
        File.Delete(picture);
        using HostCommand qemu = HostCommand.Start(
            "qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-m", "64", "-display", "none", "-vga", "std", "-net", "none",
            "-serial", $"file:{serial}", "-monitor", "stdio", "-drive", $"file={disk},format=raw,if=ide,snapshot=on");
        while (!File.Exists(serial) || !(await ReadSharedAsync(serial)).Contains(Done, StringComparison.Ordinal))
        {
            await Task.Delay(50, _timeout.Token);
        }

        await qemu.TypeAsync($"screendump {picture}\n", _timeout.Token);
        await qemu.TypeAsync("quit\n", _timeout.Token);
        await qemu.WaitForExitAsync(_timeout.Token);
        return ReadPortablePixmap(await File.ReadAllBytesAsync(picture, _timeout.Token));
    }

    private static async Task<string> ReadSharedAsync(string path)
    {
        await using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using StreamReader reader = new(file, Encoding.Latin1);
        return await reader.ReadToEndAsync();
    }

    /// <summary>P6, width, height and 255 as words of text, a byte of white space, three bytes a pixel.</summary>
    private static (int Width, int Height, byte[] Pixels) ReadPortablePixmap(byte[] file)
    {
        int at = 0;
        string[] words = new string[4];
        for (int i = 0; i < words.Length; i++)
        {
            int start = at;
            while (!char.IsWhiteSpace((char)file[at]))
            {
                at++;
            }

            words[i] = Encoding.ASCII.GetString(file, start, at - start);
            at++;
        }

        Assert.Equal(("P6", "255"), (words[0], words[3]));
        return (int.Parse(words[1], CultureInfo.InvariantCulture), int.Parse(words[2], CultureInfo.InvariantCulture), file[at..]);
    }
}
